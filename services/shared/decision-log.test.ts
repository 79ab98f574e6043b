import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openDecisionLog, refusedStart } from './decision-log.ts'
import { canBoundFiles } from './testing/full-disk.ts'

const LOG = new URL('./decision-log.ts', import.meta.url).href

/** Records twenty decisions, which are longer each time, in a process of its own, and answers how many could be recorded. */
function recordIn(file: string, limits: readonly string[]): number {
  const script = `
    const { openDecisionLog, refusedStart } = await import('${LOG}')
    const log = openDecisionLog('${file}', { node: 'node-a', unit: 'auth' })
    let recorded = 0
    for (let size = 0; size < 20; size++) {
      try {
        log.record(refusedStart({ guard: 'g', reason: 'r', target: 'x'.repeat(7 * size) }))
        recorded += 1
      } catch {}
    }
    process.stdout.write(String(recorded))`
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script]
  const [program, ...args] = [...limits, ...node] as [string, ...string[]]
  return Number(spawnSync(program, args, { encoding: 'utf8' }).stdout)
}

test('a disk that fills up leaves whole lines, and what is recorded when it has room again stands in lines of its own', ({
  skip,
}) => {
  skip(!canBoundFiles, 'no prlimit here')
  const folder = mkdtempSync(join(tmpdir(), 'decision-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'decisions.jsonl')
  const linesOf = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { seq: number })

  const before = recordIn(file, ['prlimit', '--fsize=2000:'])
  expect(before).toBeGreaterThan(2)
  expect(before).toBeLessThan(20)
  // What could not be recorded takes no number: a gap would mean that a record was lost.
  expect(linesOf().map(({ seq }) => seq)).toEqual(Array.from({ length: before }, (_, at) => at + 1))
  expect(recordIn(file, [])).toBe(20)
  expect(linesOf()).toHaveLength(before + 20)
})

test('what a killed process had begun to write is cut off, and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'decision-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'decisions.jsonl')
  const whole = '{"seq":1,"target":"größer"}\n'
  for (const [left, kept] of [
    ['', ''],
    [whole, whole],
    ['{"seq":1,"tar', ''],
    [Buffer.concat([Buffer.from(whole), Buffer.from(whole).subarray(0, 21)]), whole],
    [`${whole.repeat(4_000)}{"seq"`, whole.repeat(4_000)],
  ] as const) {
    writeFileSync(file, left)
    openDecisionLog(file, { node: 'node-a', unit: 'auth' }).close()
    expect(readFileSync(file, 'utf8')).toBe(kept)
  }
})

test('a log that was renamed or removed is followed by a new file, and while there can be none nothing is recorded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'decision-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const below = join(folder, 'log')
  mkdirSync(below)
  const file = join(below, 'decisions.jsonl')
  const log = openDecisionLog(file, { node: 'node-a', unit: 'auth' })
  onTestFinished(() => log.close())
  const record = () => log.record(refusedStart({ guard: 'g', reason: 'r', target: 't' }))
  const seqIn = (path: string) =>
    readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).seq as number)

  record()
  record()
  renameSync(file, `${file}.1`)
  record()
  expect([seqIn(`${file}.1`), seqIn(file)]).toEqual([[1, 2], [3]])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  // As it is made by who renames, or as another process has begun it.
  renameSync(file, `${file}.1`)
  writeFileSync(file, '{"seq":99}\n')
  record()
  expect(seqIn(file)).toEqual([99, 4])

  rmSync(below, { recursive: true })
  expect(record).toThrow(/ENOENT/)
  mkdirSync(below)
  record()
  expect(seqIn(file)).toEqual([5])
})

test.runIf(process.platform === 'linux')('a file that cannot be made private is not kept open', () => {
  const folder = mkdtempSync(join(tmpdir(), 'decision-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'decisions.jsonl')
  const log = openDecisionLog(file, { node: 'node-a', unit: 'auth' })
  onTestFinished(() => log.close())
  const opened = () => readdirSync('/proc/self/fd').length
  rmSync(file)
  // It can be written, and its mode is nobody's to change.
  symlinkSync('/proc/self/comm', file)
  const before = opened()
  for (const _ of [1, 2, 3]) {
    expect(() => log.record(refusedStart({ guard: 'g', reason: 'r', target: 't' }))).toThrow(/EPERM/)
  }
  expect(opened()).toBe(before)
})
