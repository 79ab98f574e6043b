import { expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import type { WeakerProof } from '../topology/proof.ts'
import { watchFor } from './shown.ts'

const pattern = '^(?<conn>[0-9]+) (?<reason>.*)$'
const log: WeakerProof = { proof: 'log line', pattern, reasons: { token_expired: 'too old' } }

/** A far end of which only log and file can be seen. */
function farEnd(lines: string[], file: { text: string } = { text: '' }) {
  return { node: () => ({ logs: () => lines, readFile: async () => file.text }) } as unknown as Site
}

function called(promised: boolean, fields: Record<string, string> = {}) {
  return { conn: '127.0.0.1:4711', promised, isAnswered: true, field: (name: string) => fields[name] }
}

const refused = called(false)

test('of a line that was there before, or is of another call, nothing is believed', async () => {
  const lines = ['4711 too old']
  const watch = await watchFor(log, farEnd(lines), 'b')
  lines.push('4712 too old')

  expect(await watch.shown(refused, 20)).toMatchObject({ said: undefined, missing: expect.stringContaining(pattern) })
})

test('a line tells the reason: ours where its word is known', async () => {
  const lines: string[] = []
  const watch = await watchFor(log, farEnd(lines), 'b')
  lines.push('4711 too old')
  const shown = await watch.shown(refused)
  expect(shown).toMatchObject({ said: 'refused', reason: 'token_expired' })
  expect(shown.missing).toBeUndefined()

  const other = await watchFor(log, farEnd(lines), 'b')
  lines.push('4711 wrong moon')
  expect(await other.shown(refused)).toMatchObject({ said: 'refused', reason: 'wrong moon' })
})

test('a refusal counts more than an accept, whichever line comes first', async () => {
  const lines: string[] = []
  const watch = await watchFor(log, farEnd(lines), 'b')
  lines.push('4711 ', '4711 too old')

  expect(await watch.shown(called(true))).toMatchObject({ said: 'refused' })
})

test('an accept alone is one, and missing lines of an accepted call are no matter', async () => {
  const lines: string[] = []
  const watch = await watchFor(log, farEnd(lines), 'b')
  const accepted = called(true)
  expect(await watch.shown(accepted)).toMatchObject({ said: undefined, missing: undefined })
  lines.push('4711 ')
  expect(await watch.shown(accepted)).toMatchObject({ said: 'accepted', reason: null })
})

test('a log file is read from where it ended before the call', async () => {
  const file = { text: '4711 too old\n' }
  const watch = await watchFor({ ...log, file: '/var/log/x' }, farEnd([], file), 'b')
  expect(await watch.shown(refused, 20)).toMatchObject({ said: undefined })
  file.text += '4711 wrong moon\n'
  expect(await watch.shown(refused)).toMatchObject({ reason: 'wrong moon' })
})

test('a header tells the reason, and is missed where it is not', async () => {
  const watch = await watchFor({ proof: 'header', name: 'X-Reason' }, farEnd([]), 'b')
  const told = called(false, { 'X-Reason': 'expired' })

  expect(await watch.shown(told)).toMatchObject({ said: 'refused', reason: 'expired' })
  expect(await watch.shown(refused)).toMatchObject({ missing: 'the answer has no header X-Reason' })
})

test('where TLS ended it there is nothing to be seen, and nothing is missed', async () => {
  const watch = await watchFor(log, farEnd([]), 'b')
  const { said, missing } = await watch.shown({ ...refused, isAnswered: false }, 20)
  expect({ said, missing }).toEqual({ said: undefined, missing: undefined })
})
