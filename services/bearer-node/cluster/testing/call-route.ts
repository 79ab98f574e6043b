import { type Answer, type Call, type EventSession, type Method, Refusal, type Route } from '../../listener/route.ts'
import type { PeerAnswer, PeerCall } from '../peer-calls.ts'

// What a listener does with a call that passed its guards, and no more: finds the route, reads the body, and answers.

/** Rejects with what is no refusal. */
export async function callRoute(routes: readonly Route[], call: PeerCall, tokenRef = 'aaaaaaaa'): Promise<PeerAnswer> {
  const [path = '', query = ''] = call.path.split('?')
  const found = routes.flatMap((route) => {
    const params = route.method === call.method ? paramsOf(route.path, path) : undefined
    return params === undefined ? [] : [{ route, params }]
  })[0]
  if (found === undefined) throw new Error(`no route ${call.method} ${call.path}`)
  const strange = [...new URLSearchParams(query).keys()].find((name) => !found.route.queryNames?.includes(name))
  if (strange !== undefined) throw new Error(`${call.path}: ${strange} is no query name`)
  try {
    return rendered(await found.route.handle(asCall(call, found, path, query, tokenRef)))
  } catch (failure) {
    if (!(failure instanceof Refusal)) throw failure
    const { status, body, headers = {} } = failure.answer
    return { status, headers, body: Buffer.from(JSON.stringify(body)) }
  }
}

function asCall(
  { method, body = Buffer.alloc(0), headers = {}, signal }: PeerCall,
  { route, params }: { route: Route; params: Record<string, string> },
  path: string,
  query: string,
  tokenRef: string,
): Call {
  return {
    ...{ method: method as Method, path, params, query: new URLSearchParams(query), headers, body },
    json() {
      const read = route.schema?.safeParse(JSON.parse(body.toString('utf8')))
      if (read === undefined || read.success) return read?.data
      throw new Refusal('bearer.route', 'input_invalid', { status: 400, body: { error: 'invalid_request' } })
    },
    ...{ requestId: 'request', caller: { remote: '127.0.0.1', tokenRef } },
    signal: signal ?? new AbortController().signal,
  }
}

function paramsOf(template: string, path: string): Record<string, string> | undefined {
  const [wanted, given] = [template.split('/'), path.split('/')]
  if (wanted.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, part] of wanted.entries()) {
    const name = /^\{(.+)\}$/.exec(part)?.[1]
    if (name !== undefined) params[name] = given[at]!
    else if (part !== given[at]) return undefined
  }
  return params
}

function rendered(answer: Answer): PeerAnswer {
  if ('events' in answer) throw new Error('a stream of events is no answer')
  const { status, headers = {}, body = '' } = answer
  return { status, headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) }
}

/** A session that keeps what it is sent. */
export function eventSession(): EventSession & { sent: { event: string; data: unknown }[]; ended: string[] } {
  const [sent, ended, done]: [{ event: string; data: unknown }[], string[], (() => void)[]] = [[], [], []]
  return {
    ...{ sent, ended },
    send: (event, data) => void sent.push({ event, data }),
    onEnd: (act) => void done.push(act),
    end(reason) {
      ended.push(reason)
      for (const act of done.splice(0)) act()
    },
  }
}
