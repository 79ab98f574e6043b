import { expect, test } from 'vitest'
import { newSpanId, newTrace, placeIn, traceparentOf } from './trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const told = `00-${traceId}-${spanId}-01`

test.each<[what: string, traceparent: string, isSampled: boolean]>([
  ['as it is written', told, true],
  ['of one that keeps nothing', `00-${traceId}-${spanId}-00`, false],
  ['with flags that nobody knows', `00-${traceId}-${spanId}-fe`, false],
  ['with all flags', `00-${traceId}-${spanId}-ff`, true],
  ['of a later version', `cc-${traceId}-${spanId}-01`, true],
  ['of a later version that says more', `cc-${traceId}-${spanId}-01-what-the-future-holds`, true],
])('a place %s is read', (_, traceparent, isSampled) => {
  expect(placeIn(traceparent)).toEqual({ traceId, spanId, isSampled })
})

test.each<[what: string, traceparent: string | string[] | undefined]>([
  ['of nobody', undefined],
  ['of no text', ''],
  ['twice', [told, told]],
  ['twice in one line', `${told}, ${told}`],
  ['of version ff', `ff${told.slice(2)}`],
  ['of version 00 that says more', `${told}-00`],
  ['of version 00 with a hyphen behind it', `${told}-`],
  ['of a later version that says more without a hyphen', `cc-${traceId}-${spanId}-01.x`],
  ['in a trace of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['below a span of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['in upper case', told.toUpperCase()],
  ['with one digit in upper case', `00-${traceId.replace('a', 'A')}-${spanId}-01`],
  ['with a digit that is none', `00-${traceId.replace('a', 'g')}-${spanId}-01`],
  ['with one digit too few', `00-${traceId.slice(1)}-${spanId}-01`],
  ['with one digit too many', `00-${traceId}-${spanId}0-01`],
  ['without flags', `00-${traceId}-${spanId}`],
  ['without a version', told.slice(3)],
  ['with a blank before it', ` ${told}`],
])('a place %s is none', (_, traceparent) => {
  expect(placeIn(traceparent)).toBeUndefined()
})

test('the next one is told the span above it, and of a trace that only begins nothing', () => {
  expect(traceparentOf({ traceId, spanId, isSampled: true })).toBe(told)
  expect(traceparentOf({ traceId, spanId, isSampled: false })).toBe(`00-${traceId}-${spanId}-00`)
  expect(traceparentOf({ traceId, isSampled: true })).toBeUndefined()
})

test('whatever begins here can be told to the next one', () => {
  const begun = newTrace()
  const place = { ...begun, spanId: newSpanId() }
  expect(begun.spanId).toBeUndefined()
  expect(placeIn(traceparentOf(place))).toEqual(place)
})
