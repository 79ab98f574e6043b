import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { programEnvironment } from '../../settings.ts'
import { clockMissing, findLibfaketime } from '../../toolchain/libfaketime.ts'
import { InvalidShift } from './faketime.ts'
import { NodeClock } from './node-clock.ts'
import { asksForMovableClock, ownClockEnvironment } from './own-clock.ts'
import { secondsFromNow } from './parse-at.ts'

const own = new URL('./own-clock.ts', import.meta.url).href
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const files = () => ({
  text: readFileSync(join(folder, 'faketime'), 'utf8'),
  seconds: new BigInt64Array(new Uint8Array(readFileSync(join(folder, 'offset'))).buffer)[0],
})

test('a clock says its offset to programs on libc and to Go programs alike', () => {
  const clock = new NodeClock(folder)
  expect(files()).toEqual({ text: '+0\n', seconds: 0n })
  clock.set(2_592_000)
  expect(files()).toEqual({ text: '+2592000\n', seconds: 2_592_000n })
  clock.set(-300)
  expect(files()).toEqual({ text: '-300\n', seconds: -300n })
  expect(clock.offsetSeconds).toBe(-300)
})

test('the file that programs have mapped stays the same file', () => {
  const clock = new NodeClock(folder)
  const before = statSync(join(folder, 'offset'))
  clock.set(86_400)
  const after = statSync(join(folder, 'offset'))

  expect([after.ino, after.size]).toEqual([before.ino, 8])
})

test.each([
  ['+30d', 2_592_000],
  ['+1y', 31_536_000],
  ['-90m', -5_400],
  ['+2w', 1_209_600],
  ['-1h', -3_600],
  ['+45s', 45],
  ['30d', undefined],
  ['+30', undefined],
  ['+1.5d', undefined],
  ['+1M', undefined],
  ['', undefined],
])('%j is %s seconds from now', (text, seconds) => {
  expect(secondsFromNow(text)).toBe(seconds)
})

test.each([
  ["scenario('shared-auth', { clock: 'movable' })", true],
  ["scenario('shared-auth', { set: { clock: 'no' } })", false],
])('%s asks for a clock that can be moved: %s', (source, asks) => {
  expect(asksForMovableClock(source)).toBe(asks)
})

test.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e10])('%s seconds are refused, and nothing moves', (seconds) => {
  const clock = new NodeClock(folder, 60)

  expect(() => clock.set(seconds)).toThrow(InvalidShift)
  expect(clock.offsetSeconds).toBe(60)
  expect(files().text).toBe('+60\n')
})

test('a machine without the library is told what to type', () => {
  expect(findLibfaketime({}, [folder])).toBeUndefined()
  expect(clockMissing({}, [folder])).toMatch(
    process.platform === 'linux' ? /apt-get install libfaketime/ : /Linux only/,
  )

  const wrong = join(folder, 'libfaketimeMT.so.1')
  if (process.platform === 'linux')
    expect(clockMissing({ libfaketime: wrong })).toContain(`HOLDFAST_LIBFAKETIME names ${wrong}`)
  // One that is there and no library, or of another machine, moves nothing.
  writeFileSync(wrong, '')
  expect(findLibfaketime({}, [folder])).toBeUndefined()
  if (process.platform === 'linux') expect(clockMissing({ libfaketime: wrong })).toContain('which does not work')
  const library = findLibfaketime()
  if (library !== undefined) expect(clockMissing({ libfaketime: library })).toBeUndefined()
})

test.skipIf(clockMissing() !== undefined)('a process that was started so moves its own clock, and only its own', () => {
  const script = `
    const { setOwnClockSeconds, ownClockSeconds, ownClockIsMovable, machineTime } = await import(${JSON.stringify(own)})
    const [wall, machine, steady] = [Date.now(), machineTime(), performance.now()]
    setOwnClockSeconds(ownClockSeconds() + 86400)
    const days = (Date.now() - wall) / 86400000
    const stayed = [machineTime() - machine < 5000, performance.now() - steady < 5000]
    console.log(JSON.stringify([ownClockIsMovable(), ownClockSeconds(), Math.round(days), ...stayed, machine]))`
  const env = programEnvironment(ownClockEnvironment(3_600))
  const before = Date.now()
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' })

  const [isMovable, seconds, days, ...rest] = JSON.parse(output)
  expect([isMovable, seconds, days, ...rest.slice(0, 2)]).toEqual([true, 90_000, 1, true, true])
  expect(rest[2]).toBeGreaterThanOrEqual(before - 1_000)
  expect(rest[2]).toBeLessThanOrEqual(Date.now() + 1_000)
})
