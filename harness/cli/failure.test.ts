import { CommanderError } from 'commander'
import { expect, test } from 'vitest'
import { HoldfastError } from '../errors.ts'
import { reportFailure } from './failure.ts'

class Known extends HoldfastError {
  constructor(cause?: unknown) {
    super('HOLDFAST_KNOWN', 'node "a": no such thing; declare it', { cause })
  }
}

test('a failure that Holdfast knows is told by its messages and its code, without a stack', () => {
  expect(reportFailure(new Known(new Error('connect ECONNREFUSED')), { debug: false })).toEqual({
    text: 'error: node "a": no such thing; declare it\n  because connect ECONNREFUSED\n  code HOLDFAST_KNOWN',
    exitCode: 1,
    error: { code: 'HOLDFAST_KNOWN', message: 'node "a": no such thing; declare it\n  because connect ECONNREFUSED' },
  })
})

test('anything else is a defect of Holdfast, and says how to see where', () => {
  const report = reportFailure(new TypeError('x is not a function'), { debug: false })

  expect(report.text).toBe(
    'error: this is a defect of Holdfast: x is not a function\n  HOLDFAST_DEBUG=1 shows where it came from.',
  )
  expect(report.exitCode).toBe(1)
})

test('the stack is there with debug, for both', () => {
  expect(reportFailure(new TypeError('x'), { debug: true }).text).toContain('failure.test.ts')
  expect(reportFailure(new Known(), { debug: true }).text).toContain('failure.test.ts')
})

test('something thrown that is no error is told nonetheless', () => {
  expect(reportFailure('words', { debug: true }).text).toContain('words')
  expect(reportFailure(undefined, { debug: true }).exitCode).toBe(1)
})

test('a wrong command line is exit code 2, help is 0, and both were told already', () => {
  expect(reportFailure(new CommanderError(1, 'commander.unknownOption', 'x'), { debug: false })).toEqual({
    text: '',
    exitCode: 2,
    error: { code: 'HOLDFAST_USAGE', message: 'x' },
  })
  expect(reportFailure(new CommanderError(0, 'commander.help', 'x'), { debug: false }).exitCode).toBe(0)
})
