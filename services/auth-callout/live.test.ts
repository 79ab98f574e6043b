import { UnsecuredJWT } from 'jose'
import { expect, test } from 'vitest'
import type { TokenPolicy } from '../shared/bound-token.ts'
import type { Decision } from '../shared/decision-log.ts'
import { Judge } from './decisions.ts'
import type { LoginContext } from './guards/callout-login.ts'
import type { LoginRequest } from './request.ts'

// Several who are in with one token, and an auth server that answers about it once.

const hosts = { 'host-1': { host: 'host-1.somebiz.local.io' } }
const sentinel = { users: new Map(), account: 'A' }
const certificate = { x5t: 'x', sans: ['host-1.somebiz.local.io'], notAfter: Date.now() + 60_000 }

test('what ends one ends all who came with its token, with a record for each, though the auth server answers no more', async () => {
  const answers: unknown[] = [{ active: false }]
  const ask = async () => answers.shift() ?? 'unavailable'
  const policy = { mode: 'introspection', now: Date.now, introspection: { ask } } as unknown as TokenPolicy
  const records: Partial<Decision>[] = []
  const judge = new Judge({
    ...{ node: 'nats-1', policy, audience: 'https://nats-1', sentinel: () => sentinel, hosts: () => hosts },
    ...{ decideWithinMs: 1_000, userSeconds: 300, log: { error: () => {} } },
    decisions: { record: (decision) => void records.push(decision) },
  })
  const token = new UnsecuredJWT({ sub: 'host-1' }).encode()
  const loggedIn = (cid: number): LoginContext => {
    const request: LoginRequest = {
      ...{ issuer: 'N', expiresAt: undefined, userKey: 'U', server: { id: 'N' }, certificate, login: {} },
      client: { cid, address: '127.0.0.9' },
    }
    return {
      ...{ request, policy, sentinel, hosts, token, thumbprint: 'x' },
      ...{ audiences: [], scope: 'nats:connect' },
    }
  }

  expect(await judge.live([1, 2, 3].map(loggedIn))).toBe(false)

  const session = { action: 'nats:session', guard: 'live.recheck', reason: 'token_ended', verdict: 'refused' }
  expect(records).toMatchObject([1, 2, 3].map((cid) => ({ ...session, cid })))
  expect(new Set(records.map(({ requestId }) => requestId)).size).toBe(3)
  expect(await judge.live([loggedIn(4)])).toBe(true)
})
