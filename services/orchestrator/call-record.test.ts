import { expect, test } from 'vitest'
import type { Decision } from '../shared/decision-log.ts'
import type { CallContext } from './call-context.ts'
import { CallRecorder } from './call-record.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const told = `00-${traceId}-${spanId}-01`

/** The record of a call with such a header. */
function recorded(traceparent: string | undefined): Decision {
  const records: Decision[] = []
  const recorder = new CallRecorder({ record: (decision) => void records.push(decision), close() {} }, 'node-a')
  const request = { headers: { traceparent } }
  const connection = { conn: '127.0.0.1:1', listener: 'peering', certificate: undefined }
  recorder.accepted({ request, connection } as unknown as CallContext, 'peering:connect', 101, performance.now())
  return records[0]!
}

test.each([
  ['of version 00', told],
  ['of a later version that says more', `cc-${traceId}-${spanId}-01-more`],
])('a record is in the trace that a caller says in a header %s', (_, traceparent) => {
  expect(recorded(traceparent)).toMatchObject({ target: 'node-a', traceId })
})

// W3C Trace Context section 3.2.2: whoever says it wrongly is in no trace.
test.each<[what: string, traceparent: string | undefined]>([
  ['none', undefined],
  ['one of a trace of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['one of a span of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['one without a span', `00-${traceId}-`],
  ['one that ends too late', `${told}-00`],
  ['two in one line', `${told}, ${told}`],
  ['one of version ff', `ff${told.slice(2)}`],
])('a record is in no trace by a header that is %s', (_, traceparent) => {
  expect(recorded(traceparent)).not.toHaveProperty('traceId')
})
