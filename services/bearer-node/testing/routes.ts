import { z } from 'zod'
import { type Call, type EventSession, Refusal, type Route, route } from '../listener/route.ts'

/** Routes of every access and effect, and what was done through them. */
export interface TestRoutes {
  readonly routes: readonly Route[]
  /** `GET /v1/status`, one for each call that came to a handler. */
  readonly handled: string[]
  readonly calls: Call[]
  readonly sessions: EventSession[]
}

export function testRoutes(): TestRoutes {
  const handled: string[] = []
  const calls: Call[] = []
  const sessions: EventSession[] = []
  const take = (call: Call): void => {
    handled.push(`${call.method} ${call.path}`)
    calls.push(call)
  }
  const routes = [
    route({
      ...{ method: 'GET', path: '/v1/status', access: 'read', effect: 'none', queryNames: ['limit'] },
      handle(call) {
        take(call)
        return { status: 200, body: { status: 'read', limit: call.query.get('limit') } }
      },
    }),
    route({
      ...{ method: 'GET', path: '/v1/runs/{id}/output', access: 'token', effect: 'none' },
      handle(call) {
        take(call)
        return { status: 200, body: call.params }
      },
    }),
    route({
      ...{ method: 'POST', path: '/v1/runs', action: 'run:start', access: 'token', effect: 'write' },
      schema: z.strictObject({ name: z.string() }),
      handle(call) {
        take(call)
        return { status: 202, headers: { location: '/v1/runs/1' }, body: call.json() }
      },
    }),
    route({
      ...{ method: 'PUT', path: '/v1/runs/{id}', access: 'token', effect: 'write' },
      handle(call) {
        take(call)
        return { status: 200, body: { bytes: call.body.length, json: call.json() } }
      },
    }),
    // The hole of old: a GET that changes something.
    route({
      ...{ method: 'GET', path: '/v1/reset', access: 'token', effect: 'write' },
      handle(call) {
        take(call)
        return { status: 200, body: {} }
      },
    }),
    route({
      ...{ method: 'POST', path: '/v1/refused', access: 'token', effect: 'write' },
      handle(call) {
        take(call)
        const headers = { 'retry-after': '7' }
        throw new Refusal('bearer.fence', 'stale_epoch', {
          status: 409,
          headers,
          body: { error: 'stale_epoch', epoch: 4 },
        })
      },
    }),
    route({
      ...{ method: 'POST', path: '/v1/broken', access: 'token', effect: 'write' },
      handle(call) {
        take(call)
        throw new Error('a secret of the handler')
      },
    }),
    route({
      ...{ method: 'POST', path: '/v1/slow', access: 'token', effect: 'write' },
      handle: (call) =>
        new Promise((_, reject) => {
          call.signal.addEventListener('abort', () => reject(new Error('aborted')))
          take(call)
        }),
    }),
    route({
      ...{ method: 'POST', path: '/v1/deaf', access: 'token', effect: 'write' },
      handle: (call) =>
        new Promise(() => {
          call.signal.addEventListener('abort', () => {})
          take(call)
        }),
    }),
    route({
      ...{ method: 'GET', path: '/v1/events', access: 'read', effect: 'none' },
      handle(call) {
        take(call)
        return { events: (session) => void sessions.push(session) }
      },
    }),
  ]
  return { routes, handled, calls, sessions }
}
