import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JetStreamApiError } from '@nats-io/jetstream'
import { afterAll, expect, test } from 'vitest'
import { BrokerUnavailable } from '../../shared/nats/broker-link.ts'
import { commit, openDatabase } from '../../shared/sqlite.ts'
import type { Command } from '../guards/command.ts'
import { CallRefused } from '../local-call.ts'
import { type CommandTable, digestOf, openCommandTable } from './command-table.ts'
import { Commands } from './commands.ts'

// What is kept of a command, and what becomes of its id: the broker is played, the disk is real.

const folder = mkdtempSync(join(tmpdir(), 'holdfast-commands-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const log = { info() {}, warn() {}, error() {} }
const DAY = 86_400_000
let made = 0

const command = (id: string, change: Partial<Command> = {}): Command => ({
  ...{ id, host: 'host-1', verb: 'apply', args: {} },
  ...change,
})

function tablePath(): string {
  made += 1
  return join(folder, `${made}`, 'commands.db')
}

/** `fail` is what the next publish ends with; `hold` keeps the answers to those that follow until it is called back. */
function commandsOver(table: CommandTable) {
  const published: Command[] = []
  let failure: Error | undefined
  let held = Promise.resolve()
  const connection = {
    options: {},
    async request(subject: string, body: string) {
      const ends = failure
      await held
      if (ends !== undefined) throw ends
      published.push({ ...(JSON.parse(body) as Command), host: subject.split('.')[1] ?? '' })
      const answer = { stream: 'WORKLOAD', seq: published.length }
      return { json: () => answer, data: new TextEncoder().encode(JSON.stringify(answer)), headers: undefined }
    },
  }
  const link = { use: <Result>(work: (nc: never) => Promise<Result>) => work(connection as never) }
  const commands = new Commands({ table, link, hosts: ['host-1'], timeoutMs: 1_000, log, now: () => DAY })
  const take = async (given: unknown) => {
    const call = { path: [], query: new URLSearchParams(), read: async () => given, body: () => Promise.reject() }
    try {
      return (await commands.operation.run(call)).json
    } catch (refused) {
      if (refused instanceof CallRefused) return refused.refusal.reason
      throw refused
    }
  }
  const fail = (next: Error | undefined): void => {
    failure = next
  }
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    held = promise
    return resolve
  }
  return { commands, published, take, fail, hold }
}

const apiError = (code: number) => new JetStreamApiError({ code: 503, err_code: code, description: 'no' })

test('an id is the same command again, or a conflict; before and after a restart', async () => {
  const path = tablePath()
  const first = openCommandTable(path)
  const { take, published } = commandsOver(first)
  expect(await take(command('a'))).toEqual({ stream: 'WORKLOAD', seq: 1, duplicate: false })
  first.close()

  const second = openCommandTable(path)
  const after = commandsOver(second)
  expect(await after.take(command('a'))).toEqual({ stream: 'WORKLOAD', seq: 1, duplicate: true })
  expect(await after.take(command('a', { args: { b: 1 } }))).toBe('command_conflict')
  expect(await after.take(command('b'))).toMatchObject({ duplicate: false })
  expect([published.length, after.published.length]).toEqual([1, 1])
  second.close()
})

test.each([10_023, 10_028, 10_047, 10_077])('a full stream (%i) refuses, and its id is free again', async (code) => {
  const table = openCommandTable(tablePath())
  const { take, fail } = commandsOver(table)
  fail(apiError(code))
  expect(await take(command('a'))).toBe('stream_full')
  expect(table.pending()).toEqual([])
  fail(undefined)

  expect(await take(command('a', { verb: 'other' }))).toMatchObject({ duplicate: false })
  table.close()
})

test('a refusal takes an id from nobody who sent the same command meanwhile', async () => {
  const table = openCommandTable(tablePath())
  const { take, fail, hold, commands, published } = commandsOver(table)
  const release = hold()
  fail(apiError(10_077))
  const first = take(command('a'))
  await expect.poll(() => table.pending()).toEqual([command('a')])
  await new Promise(setImmediate)
  fail(undefined)
  const second = take(command('a'))
  const other = take(command('a', { verb: 'other' }))
  const left = commands.publishPending()
  expect(await other).toBe('command_conflict')
  release()

  // One was sent for both, and it was refused: whoever comes next is the first.
  expect(await Promise.all([first, second, left])).toEqual(['stream_full', 'stream_full', undefined])
  expect([table.pending(), published]).toEqual([[], []])
  expect(await take(command('a', { verb: 'other' }))).toMatchObject({ seq: 1, duplicate: false })
  expect(await take(command('a'))).toBe('command_conflict')
  table.close()
})

test('commands of one id that come side by side are one, for all of them', async () => {
  const table = openCommandTable(tablePath())
  const { take, published } = commandsOver(table)
  const answers = await Promise.all([take(command('a')), take(command('a')), take(command('b'))])

  expect(answers).toEqual([
    { stream: 'WORKLOAD', seq: 1, duplicate: false },
    { stream: 'WORKLOAD', seq: 1, duplicate: true },
    { stream: 'WORKLOAD', seq: 2, duplicate: false },
  ])
  expect(published).toHaveLength(2)
  table.close()
})

test('what never left is free again, and what may have arrived keeps its id', async () => {
  const table = openCommandTable(tablePath())
  const { take, fail, commands, published } = commandsOver(table)
  fail(new BrokerUnavailable('work'))
  expect(await take(command('never'))).toBe('broker_unavailable')
  fail(apiError(10_003))
  expect(await take(command('refused'))).toBe('broker_unavailable')
  fail(new Error('timeout'))
  expect(await take(command('perhaps'))).toBe('broker_unavailable')
  expect(table.pending()).toEqual([command('perhaps')])
  expect(await take(command('perhaps', { verb: 'other' }))).toBe('command_conflict')

  await commands.publishPending()
  expect(published).toEqual([])
  fail(undefined)
  await commands.publishPending()
  expect(published).toEqual([command('perhaps')])
  await expect.poll(() => table.pending()).toEqual([])
  expect(await take(command('perhaps'))).toMatchObject({ seq: 1, duplicate: true })
  table.close()
})

test('what a crash left is there after the restart, in the order in which it came, whatever the clock said', async () => {
  const path = tablePath()
  const crashed = openCommandTable(path)
  await Promise.all([crashed.keep(command('c'), 2), crashed.keep(command('b'), 2), crashed.keep(command('a'), 1)])
  // Neither closed nor published.

  const table = openCommandTable(path)
  expect(table.pending().map(({ id }) => id)).toEqual(['c', 'b', 'a'])
  const { commands, published } = commandsOver(table)
  await commands.publishPending()

  expect(published.map(({ id }) => id)).toEqual(['c', 'b', 'a'])
  table.close()
  crashed.close()
})

test('what the first version of the table kept has its numbers from then on', async () => {
  const path = tablePath()
  const first = openDatabase(path, {
    version: 1,
    statements: [
      "CREATE TABLE commands (id TEXT PRIMARY KEY, digest TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'published')), body TEXT, stream TEXT, seq INTEGER, created_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
      'CREATE INDEX commands_by_age ON commands (created_at)',
    ],
  })
  const row = first.prepare('INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?)')
  const pendingRow = (id: string, at: number) =>
    row.run(id, digestOf(command(id)), 'pending', JSON.stringify(command(id)), null, null, at)
  commit(first, () => {
    row.run('done', digestOf(command('done')), 'published', null, 'WORKLOAD', 7, 1)
    pendingRow('a', 3)
    pendingRow('b', 2)
  })
  first.close()

  const table = openCommandTable(path)
  const { take } = commandsOver(table)
  expect(table.pending()).toEqual([command('b'), command('a')])
  expect(await take(command('done'))).toEqual({ stream: 'WORKLOAD', seq: 7, duplicate: true })
  table.close()
})

test('seven days later an id is forgotten, and not before', async () => {
  const table = openCommandTable(tablePath())
  await table.keep(command('old'), DAY - 7 * DAY - 1)
  await table.keep(command('young'), DAY - 7 * DAY)
  const { commands } = commandsOver(table)

  commands.start()
  commands.stop()

  expect(table.pending().map(({ id }) => id)).toEqual(['young'])
  table.close()
})

test('commands that differ in host, verb or arguments are not the same', () => {
  const digests = [{}, { host: 'host-2' }, { verb: 'other' }, { args: { a: 1 } }].map((change) =>
    digestOf(command('x', change)),
  )
  expect(new Set(digests).size).toBe(4)
  expect(digestOf(command('y'))).toBe(digests[0])
})
