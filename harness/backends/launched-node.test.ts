import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readTextFrom } from '../agent/text-file.ts'
import { localSeat } from '../protocols/seat.ts'
import { AgentGone } from './agent-link.ts'
import { LaunchedNode, type NodeParts } from './launched-node.ts'

const dir = mkdtempSync(join(tmpdir(), 'holdfast-node-'))
afterAll(() => rmSync(dir, { recursive: true }))

const record = {
  ...{ ts: '2026-01-01T00:00:00.000Z', seq: 1, node: 'door', unit: 'greeter', conn: '127.0.0.1:1', listener: 'l' },
  ...{ requestId: '1', action: 'greeter:greet', verdict: 'accepted', layer: 'http', status: 200, error: null },
  ...{ guard: null, reason: null, target: '/', principal: {}, ms: 1 },
}

test('a line that is no decision record fails whoever asks, again and again, and is named by its place in the file', async () => {
  const unit = join(dir, 'units', 'greeter')
  const file = join(unit, 'decisions.jsonl')
  mkdirSync(unit, { recursive: true })
  const node = new LaunchedNode(partsOf())
  appendFileSync(file, `${JSON.stringify(record)}\n`)
  expect(await node.decisions()).toEqual([record])

  appendFileSync(
    file,
    `${JSON.stringify({ ...record, seq: 2 })}\n${JSON.stringify({ ...record, verdict: 'perhaps' })}\n`,
  )
  const malformed = {
    code: 'HOLDFAST_DECISION_MALFORMED',
    message: expect.stringContaining(`${file}, line 3: member verdict`),
  }
  await expect(node.decisions()).rejects.toMatchObject(malformed)
  await expect(node.decisions()).rejects.toMatchObject(malformed)
})

test('a log is read while a line is being written, amid a letter of more than one byte, too', async () => {
  const unit = join(dir, 'units', 'greeter')
  mkdirSync(unit, { recursive: true })
  const file = join(unit, 'decisions.jsonl')
  rmSync(file, { force: true })
  const node = new LaunchedNode(partsOf())
  const second = { ...record, seq: 2, target: '/größe' }
  const line = Buffer.from(`${JSON.stringify(second)}\n`)
  appendFileSync(file, `${JSON.stringify(record)}\n`)
  for (const byte of line) {
    expect(await node.decisions()).toEqual([record])
    appendFileSync(file, Buffer.of(byte))
  }
  expect(await node.decisions()).toEqual([record, second])
})

/** A node whose agent ended, so that its backend reads its files. */
function partsOf(): NodeParts {
  const service = {
    command: { program: { path: '/bin/true' }, args: [] },
    ready: { tcp: { port: 1 } },
    listeners: [],
    decisionLog: '@{unit}/decisions.jsonl',
  }
  const unit = { name: 'greeter', kind: 'greeter', summary: '', after: [], files: [], steps: [], service }
  return {
    plan: { name: 'door', host: 'door.test', domain: 'lab', units: [unit] },
    addresses: { default: '127.0.0.1' },
    seat: () => localSeat(),
    dir,
    ask: () => Promise.reject(new AgentGone('door')),
    readLeft: readTextFrom,
    tell: () => {},
    states: {} as NodeParts['states'],
  }
}
