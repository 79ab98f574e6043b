import { Algorithms, encodeUser } from '@nats-io/jwt'
import { createAccount, createUser } from '@nats-io/nkeys'
import { expect, test } from 'vitest'
import type { TokenPolicy } from '../shared/bound-token.ts'
import type { Decision } from '../shared/decision-log.ts'
import { Judge } from './decisions.ts'
import type { LoginRequest } from './request.ts'

// An auth server that never answers, and a broker that does not wait for ever.

const issuer = 'https://auth.somebiz.local.io'
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const token = `${part({ typ: 'at+jwt', alg: 'ES256', kid: 'one' })}.${part({ iss: issuer })}.`

async function judging() {
  const [account, user] = [createAccount(), createUser()]
  const jwt = await encodeUser('auth_guard', user, account, {}, { algorithm: Algorithms.v2 })
  const request: LoginRequest = {
    ...{ issuer: 'N', expiresAt: Date.now() / 1000 + 60, userKey: 'U', server: { id: 'N' } },
    ...{ client: { cid: 7, address: '127.0.0.9' }, login: { jwt, token }, certificate: undefined },
  }
  const asked: unknown[] = []
  const introspection = {
    ask(...what: unknown[]) {
      asked.push(what)
      return new Promise(() => {})
    },
  }
  const policy = { mode: 'introspection', issuer, now: Date.now, introspection } as unknown as TokenPolicy
  const sentinel = { users: new Map([[user.getPublicKey(), Infinity]]), account: account.getPublicKey() }
  const records: Decision[] = []
  const judge = new Judge({
    ...{ node: 'nats-1', policy, audience: 'https://nats-1', sentinel: () => sentinel, hosts: () => ({}) },
    ...{ decideWithinMs: 60_000, userSeconds: 300, decisions: { record: (one) => void records.push(one) } },
    log: { error: () => {} },
  })
  return { judge, request, records, asked }
}

test('a login is refused for want of time counted from when it was asked about, not from when its turn came', async () => {
  const { judge, request, records } = await judging()
  const now = performance.now()
  const inTime = judge.login(request, 'N', now)

  expect(await judge.login(request, 'N', now - 59_990)).toEqual({ decision: expect.any(String) })

  expect(records).toMatchObject([{ guard: 'token.active', reason: 'auth_unavailable', verdict: 'refused' }])
  expect(await Promise.race([inTime, 'undecided'])).toBe('undecided')
}, 5_000)

test('of a login whose time is over when its turn comes, nobody is asked', async () => {
  const { judge, request, records, asked } = await judging()
  void judge.login(request, 'N')
  await expect.poll(() => asked.length).toBe(1)

  expect(await judge.login(request, 'N', performance.now() - 60_001)).toEqual({ decision: expect.any(String) })

  expect(records).toMatchObject([{ guard: 'token.active', reason: 'auth_unavailable', verdict: 'refused' }])
  expect(asked).toHaveLength(1)
}, 5_000)
