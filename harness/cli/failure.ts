import { CommanderError } from 'commander'
import { describeFailure, HoldfastError } from '../errors.ts'
import { Interrupted } from './interruption.ts'

/** What the command line answers to its caller when something failed, could not be done, or was typed wrongly. */
export const exitCode = { failed: 1, usage: 2 } as const

interface FailureReport {
  /** What stderr gets; empty when it was told already. */
  text: string
  exitCode: number
  /** What a reader of JSON gets; absent where nothing failed, or where the user ended it. */
  error?: { code: string; message: string }
}

/** Something that the command line names is not there, or cannot be so: the command line itself was wrong. */
const usageCodes: readonly string[] = [
  'HOLDFAST_TOPOLOGY_UNKNOWN',
  'HOLDFAST_PARAMETER_INVALID',
  'HOLDFAST_NO_SCENARIO',
  'HOLDFAST_NOT_RUNNING',
  'HOLDFAST_BACKEND_UNKNOWN',
  'HOLDFAST_BACKEND_TWICE',
  'HOLDFAST_GUARD_UNKNOWN',
  'HOLDFAST_ATTACK_UNKNOWN',
]

/**
 * Turns whatever a command threw into text for people and an exit code. A failure that Holdfast knows is told by its
 * messages alone; any other is a defect of Holdfast and is named so. The stack appears only with `debug`.
 */
export function reportFailure(failure: unknown, { debug }: { debug: boolean }): FailureReport {
  if (failure instanceof CommanderError) {
    // Help and version are no failures; what is, commander has told.
    if (failure.exitCode === 0) return { text: '', exitCode: 0 }
    const message = failure.message.replace(/^error: /, '')
    return { text: '', exitCode: exitCode.usage, error: { code: 'HOLDFAST_USAGE', message } }
  }
  const stack = debug && failure instanceof Error ? `\n${failure.stack ?? ''}` : ''
  if (failure instanceof Interrupted) return { text: failure.message + stack, exitCode: failure.exitCode }
  const message = describeFailure(failure)
  if (failure instanceof HoldfastError) {
    const { code } = failure
    // A command that ran in the background says by its exit code what it was.
    const isUsage = usageCodes.includes(code) || ('exitCode' in failure && failure.exitCode === exitCode.usage)
    return {
      text: `error: ${message}\n  code ${code}${stack}`,
      exitCode: isUsage ? exitCode.usage : exitCode.failed,
      error: { code, message },
    }
  }
  const way = debug ? '' : '\n  HOLDFAST_DEBUG=1 shows where it came from.'
  return {
    text: `error: this is a defect of Holdfast: ${message}${way}${stack}`,
    exitCode: exitCode.failed,
    error: { code: 'HOLDFAST_DEFECT', message },
  }
}
