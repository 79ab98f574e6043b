import { expect, test } from 'vitest'
import type { TokenPolicy } from '../shared/bound-token.ts'
import type { Decision } from '../shared/decision-log.ts'
import { Judge, type JudgeOptions } from './decisions.ts'
import type { LoginContext } from './guards/callout-login.ts'
import { putOut } from './put-out.ts'
import type { LoginRequest } from './request.ts'

// What is left of a refusal when the disk is full, and when a kick comes to nothing.

const full = () => {
  throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
}
const request: LoginRequest = {
  ...{ issuer: 'N', expiresAt: Date.now() / 1000 + 60, userKey: 'U', server: { id: 'N' } },
  ...{ client: { cid: 7, address: '127.0.0.9' }, login: {}, certificate: undefined },
}
const policy = { mode: 'jwks', now: Date.now } as unknown as TokenPolicy

function judging(record: (decision: Decision) => void) {
  const errors: string[] = []
  const options: JudgeOptions = {
    ...{ node: 'nats-1', policy, audience: 'https://nats-1', sentinel: () => ({ users: new Map(), account: 'A' }) },
    ...{ decideWithinMs: 1_000, userSeconds: 300, decisions: { record }, hosts: () => ({}) },
    log: { error: (event, fields) => void errors.push(`${event} ${fields?.code}`) },
  }
  return { judge: new Judge(options), errors }
}

const context: LoginContext = {
  ...{ request, policy, sentinel: { users: new Map(), account: 'A' }, hosts: {}, token: '' },
  ...{ thumbprint: undefined, audiences: [], scope: 'nats:connect' },
}

test.each([
  ['on record', 0],
  ['that cannot be put on record', 1],
])('a refusal %s is one: of a login, and of somebody who is in', async (_, isFull) => {
  const records: Decision[] = []
  const { judge, errors } = judging(isFull ? full : (decision) => void records.push(decision))

  expect(await judge.login(request, 'N')).toEqual({ decision: expect.any(String) })
  expect(await judge.live([context])).toBe(false)

  const reasons = records.map(({ guard, reason }) => `${guard} ${reason}`)
  expect(reasons).toEqual(isFull ? [] : ['callout.sentinel sentinel_unknown', 'live.recheck host_undeclared'])
  expect(errors).toEqual(Array.from({ length: isFull * 2 }, () => 'decision-not-recorded ENOSPC'))
})

test('somebody is kicked again until he could be in no longer, also when a kick did not leave', async () => {
  const { signal } = new AbortController()
  const answers = [false, true, true]
  let kicks = 0
  const kick = async () => answers[kicks++] ?? true
  await putOut(kick, { isIn: () => kicks < 4, signal, firstPauseMs: 1 })
  expect(kicks).toBe(4)
})

test('nobody is kicked after the end', async () => {
  const stop = new AbortController()
  let kicks = 0
  const kick = async () => {
    kicks += 1
    stop.abort()
    return true
  }
  await putOut(kick, { isIn: () => true, signal: stop.signal, firstPauseMs: 60_000 })
  expect(kicks).toBe(1)
})
