import { describe, expect, test } from 'vitest'
import { SetClock } from '../testing/clock.ts'
import { NEW, OLD, OTHER } from '../testing/tokens.ts'
import { TokenSet } from './accepted.ts'
import { refOf } from './ref.ts'

const HOUR = 3_600_000
const bytes = (token: string) => Buffer.from(token, 'latin1')

function setOf(values: ConstructorParameters<typeof TokenSet>[0]) {
  const clock = new SetClock()
  const tokens = new TokenSet(values, clock)
  let changes = 0
  tokens.onChange(() => {
    changes += 1
  })
  return { clock, tokens, changes: () => changes, judge: (token: string) => tokens.judge(bytes(token)) }
}

const start = new SetClock().wallMs()

test('a ref is told by the first 8 hex digits of the SHA-256 over its name and the token', () => {
  // printf 'holdfast-ref:abc' | sha256sum
  expect(refOf('abc')).toBe('8edc3b69')
})

describe('what is compared', () => {
  test.each([
    ['itself', OLD, 'accepted'],
    ['another', OTHER, 'unknown'],
    ['its beginning', OLD.slice(0, -1), 'unknown'],
    ['its end', OLD.slice(1), 'unknown'],
    ['one character more', `${OLD}0`, 'unknown'],
    ['another case', OLD.toUpperCase(), 'unknown'],
    ['nothing', '', 'unknown'],
    ['a line end behind it', `${OLD}\n`, 'unknown'],
    ['a NUL behind it', `${OLD}\0`, 'unknown'],
    ['a byte above 127 behind it', `${OLD}\xff`, 'unknown'],
  ] as const)('%s is %s', (_, token, standing) => {
    expect(setOf({ sends: OLD, also: [] }).judge(token)).toBe(standing)
  })

  test('a digest stands for its bytes, and an accepted one has the ref of its token', () => {
    const { tokens } = setOf({ sends: OLD, also: [] })
    expect(tokens.standing(tokens.digest(bytes(OLD)))).toBe('accepted')
    expect(tokens.refOfDigest(tokens.digest(bytes(OLD)))).toBe(refOf(OLD))
    expect(tokens.refOfDigest(tokens.digest(bytes(OTHER)))).toBeUndefined()
  })
})

describe('an overlap', () => {
  test('accepts both values, sends one, and says until when', () => {
    const { tokens, judge } = setOf({ sends: OLD, also: [{ token: NEW, until: start + HOUR }] })
    expect([judge(OLD), judge(NEW), judge(OTHER)]).toEqual(['accepted', 'accepted', 'unknown'])
    expect(tokens.current()).toBe(OLD)
    expect(tokens.accepts()).toEqual([
      { ref: refOf(OLD), until: undefined },
      { ref: refOf(NEW), until: start + HOUR },
    ])
  })

  test('ends with its time: not a moment before, and the value is told to have ended for a day', () => {
    const { clock, tokens, judge, changes } = setOf({ sends: OLD, also: [{ token: NEW, until: start + HOUR }] })
    clock.move(HOUR - 1)
    expect([judge(NEW), changes()]).toEqual(['accepted', 0])
    clock.move(1)
    expect([judge(NEW), changes()]).toEqual(['ended', 1])
    expect(tokens.accepts()).toEqual([{ ref: refOf(OLD), until: undefined }])
    expect(tokens.refOfDigest(tokens.digest(bytes(NEW)))).toBeUndefined()
    clock.move(24 * HOUR - 1)
    expect(judge(NEW)).toBe('ended')
    clock.move(1)
    expect([judge(NEW), judge(OLD)]).toEqual(['unknown', 'accepted'])
  })

  test('ends by the clock, also where nobody was told that the time had come', () => {
    let now = start
    const tokens = new TokenSet(
      { sends: OLD, also: [{ token: NEW, until: start + HOUR }] },
      { wallMs: () => now, at: () => ({ close() {} }) },
    )
    now += HOUR
    expect(tokens.judge(bytes(NEW))).toBe('ended')
  })

  test('of what is sent ends never, whatever stands beside it', () => {
    const { clock, judge } = setOf({ sends: OLD, also: [{ token: OLD, until: start + HOUR }] })
    clock.move(2 * HOUR)
    expect(judge(OLD)).toBe('accepted')
  })

  test('that was over before it was read counts as one that has ended', () => {
    const { judge } = setOf({ sends: OLD, also: [{ token: NEW, until: start - HOUR }] })
    expect(judge(NEW)).toBe('ended')
    expect(setOf({ sends: OLD, also: [{ token: NEW, until: start - 25 * HOUR }] }).judge(NEW)).toBe('unknown')
  })
})

describe('other values', () => {
  test('are in force at once, and what left has ended', () => {
    const { tokens, judge, changes } = setOf({ sends: OLD, also: [] })
    tokens.replace({ sends: NEW, also: [] })
    expect([judge(OLD), judge(NEW), tokens.current(), changes()]).toEqual(['ended', 'accepted', NEW, 1])
  })

  test('may be what had ended: it is accepted again', () => {
    const { tokens, judge } = setOf({ sends: OLD, also: [] })
    tokens.replace({ sends: NEW, also: [] })
    tokens.replace({ sends: OLD, also: [] })
    expect([judge(OLD), judge(NEW)]).toEqual(['accepted', 'ended'])
  })

  test('keep no more of what has ended than a few, the latest', () => {
    const { tokens, judge } = setOf({ sends: `${OLD}0`, also: [] })
    for (let number = 1; number <= 40; number += 1) tokens.replace({ sends: `${OLD}${number}`, also: [] })
    expect([judge(`${OLD}40`), judge(`${OLD}39`), judge(`${OLD}0`)]).toEqual(['accepted', 'ended', 'unknown'])
  })

  test('are told to nobody who no longer asks', () => {
    const { tokens } = setOf({ sends: OLD, also: [] })
    let told = 0
    const stop = tokens.onChange(() => {
      told += 1
    })
    tokens.replace({ sends: NEW, also: [] })
    stop()
    tokens.replace({ sends: OLD, also: [] })
    expect(told).toBe(1)
  })
})
