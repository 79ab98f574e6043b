import { expect, test } from 'vitest'
import { Breaker, type OutboundCall, outCircuit } from './breaker.ts'

function breaker() {
  const clock = { now: 5000 }
  const it = new Breaker({ failures: 5, coolDownMs: 30_000 }, () => clock.now)
  const fail = (times: number) => {
    for (let done = 0; done < times; done += 1) it.admit()!.failed()
  }
  return { clock, it, fail }
}

test('five failures in a row open it, four do not', () => {
  const { it, fail } = breaker()
  fail(4)
  expect([it.state, it.admit() !== undefined]).toEqual(['closed', true])
  fail(1)
  expect([it.state, it.admit()]).toEqual(['open', undefined])
})

test('a success between them counts from the beginning', () => {
  const { it, fail } = breaker()
  fail(4)
  it.admit()!.succeeded()
  fail(4)
  expect(it.state).toBe('closed')
  fail(1)
  expect(it.state).toBe('open')
})

test('nothing goes out for thirty seconds, then one call alone', () => {
  const { it, fail, clock } = breaker()
  fail(5)
  clock.now += 29_999
  expect([it.state, it.admit(), it.retryAfter]).toEqual(['open', undefined, 1])
  clock.now += 1
  expect(it.state).toBe('half-open')
  expect(it.admit()).toBeDefined()
  expect(it.admit()).toBeUndefined()
  clock.now += 1_000_000
  expect(it.admit()).toBeUndefined()
})

test('the success of the probe closes it', () => {
  const { it, fail, clock } = breaker()
  fail(5)
  clock.now += 30_000
  it.admit()!.succeeded()
  expect(it.state).toBe('closed')
  fail(4)
  expect(it.state).toBe('closed')
})

test('its failure opens it for as long again', () => {
  const { it, fail, clock } = breaker()
  fail(5)
  clock.now += 40_000
  it.admit()!.failed()
  expect([it.state, it.retryAfter]).toEqual(['open', 30])
  clock.now += 29_999
  expect(it.admit()).toBeUndefined()
  clock.now += 1
  expect(it.admit()).toBeDefined()
})

test('a probe that was abandoned leaves its place to another one', () => {
  const { it, fail, clock } = breaker()
  fail(5)
  clock.now += 30_000
  it.admit()!.abandoned()
  expect(it.state).toBe('half-open')
  it.admit()!.succeeded()
  expect(it.state).toBe('closed')
})

test('a call that was abandoned is neither success nor failure', () => {
  const { it, fail } = breaker()
  fail(4)
  it.admit()!.abandoned()
  expect(it.state).toBe('closed')
  fail(1)
  expect(it.state).toBe('open')
})

test('calls that were on their way when it opened change nothing', () => {
  const { it, fail, clock } = breaker()
  const [early, other] = [it.admit()!, it.admit()!]
  fail(5)
  early.succeeded()
  clock.now += 20_000
  other.failed()
  expect([it.state, it.retryAfter]).toEqual(['open', 10])
  clock.now += 10_000
  const probe = it.admit()!
  early.succeeded()
  expect([it.state, it.admit()]).toEqual(['half-open', undefined])
  probe.succeeded()
  expect(it.state).toBe('closed')
})

test('out.circuit: a call goes out or is refused with the time to wait', () => {
  const { it, fail, clock } = breaker()
  const first: OutboundCall = { breaker: it }
  expect(outCircuit.check(first)).toBeUndefined()
  first.call!.failed()
  fail(4)
  clock.now += 500
  const second: OutboundCall = { breaker: it }
  expect(outCircuit.check(second)).toEqual({
    reason: 'circuit_open',
    status: 503,
    error: 'peer_unavailable',
    retryAfter: 30,
  })
  expect(second.call).toBeUndefined()
})
