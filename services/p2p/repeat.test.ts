import { expect, test } from 'vitest'
import { type Answer, CallFailed } from './call.ts'
import { repeated } from './repeat.ts'

const answer = (status: number, headers: Answer['headers'] = {}): Answer => ({ status, headers, body: Buffer.alloc(0) })

/** Attempts that end so, one after the other; the last goes on for ever. Time passes by waiting alone. */
function site(ends: readonly (Answer | Error)[], forMs = 10_000) {
  const waited: number[] = []
  const notes: string[] = []
  let [attempts, now] = [0, 0]
  const result = repeated(
    async () => {
      const end = ends[Math.min(attempts, ends.length - 1)]!
      attempts += 1
      if (end instanceof Error) throw end
      return end
    },
    {
      ...{ forMs, note: (text) => notes.push(text), now: () => now },
      sleep: async (ms) => {
        waited.push(ms)
        now += ms
      },
    },
  )
  return { result, waited, notes, attempts: () => attempts }
}

test.each([200, 202, 400, 401, 404, 409, 429, 500, 502])('%i is an answer', async (status) => {
  const { result, attempts } = site([answer(status)])
  expect((await result).status).toBe(status)
  expect(attempts()).toBe(1)
})

test.each([503, 504])('%i passes: it is asked again, and each wait is told', async (status) => {
  const { result, waited, notes } = site([answer(status), answer(status), answer(202)])
  expect((await result).status).toBe(202)
  expect(waited).toEqual([500, 1_000])
  expect(notes).toEqual([
    `was answered ${status}: trying again in 0.5 s`,
    `was answered ${status}: trying again in 1 s`,
  ])
})

test('a node that says when is believed, within bounds', async () => {
  const { result, waited } = site(
    [answer(503, { 'retry-after': '3' }), answer(503, { 'retry-after': '999' }), answer(200)],
    60_000,
  )
  expect((await result).status).toBe(200)
  expect(waited).toEqual([3_000, 10_000])
  const odd = site([answer(503, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }), answer(200)])
  await odd.result
  expect(odd.waited).toEqual([500])
})

test('it ends in time, with the last answer', async () => {
  const { result, waited } = site([answer(503)], 4_000)
  expect((await result).status).toBe(503)
  expect(waited).toEqual([500, 1_000, 2_000])
})

test('a connection that ended before the answer is tried again; one that never was, or a certificate that is no good, is not', async () => {
  const open = new CallFailed('answer_missing', 'orc-1 ended the connection', true)
  const { result, notes } = site([open, answer(200)])
  expect((await result).status).toBe(200)
  expect(notes).toEqual(['orc-1 ended the connection: trying again in 0.5 s'])

  for (const failure of [new CallFailed('server_unreachable', 'no'), new Error('a mistake')]) {
    const never = site([failure, answer(200)])
    await expect(never.result).rejects.toBe(failure)
    expect(never.attempts()).toBe(1)
  }
  await expect(site([open], 0).result).rejects.toBe(open)
})
