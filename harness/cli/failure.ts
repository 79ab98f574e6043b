import { CommanderError } from 'commander'
import { describeFailure, HoldfastError } from '../errors.ts'
import { exitCode } from './exit-code.ts'
import { Interrupted } from './interruption.ts'

export interface FailureReport {
  /** What stderr gets; empty when it was told already. */
  text: string
  exitCode: number
}

/**
 * Turns whatever a command threw into text for people and an exit code. A failure that Holdfast knows is told by its
 * messages alone; any other is a defect of Holdfast and is named so. The stack appears only with `debug`.
 */
export function reportFailure(failure: unknown, { debug }: { debug: boolean }): FailureReport {
  if (failure instanceof CommanderError) {
    // Help and version are no failures; what is, commander has told.
    return { text: '', exitCode: failure.exitCode === 0 ? exitCode.ok : exitCode.usage }
  }
  const stack = debug && failure instanceof Error ? `\n${failure.stack ?? ''}` : ''
  if (failure instanceof Interrupted) return { text: failure.message + stack, exitCode: failure.exitCode }
  if (failure instanceof HoldfastError) {
    return { text: `error: ${describeFailure(failure)}\n  code ${failure.code}${stack}`, exitCode: exitCode.failed }
  }
  const way = debug ? '' : '\n  HOLDFAST_DEBUG=1 shows where it came from.'
  return {
    text: `error: this is a defect of Holdfast: ${describeFailure(failure)}${way}${stack}`,
    exitCode: exitCode.failed,
  }
}
