import { type Command, CommanderError } from 'commander'

// What programs have in common whose commands each ask a service for something, show what came of it, and end.

/** What a command has to show: one JSON value, or a text for people. */
export interface Shown {
  readonly json: unknown
  readonly text: string
  /** Default: 0. */
  readonly exitCode?: number
}

/** A failure as it is told on stderr, and how the program ends. */
export interface Told {
  readonly code: string
  readonly message: string
  readonly exitCode: number
}

/** Adds examples to the help of a command. */
export function withExamples(command: Command, program: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${program} ${example}`)
  return command.addHelpText('after', `\nExample${lines.length === 1 ? '' : 's'}:\n${lines.join('\n')}`)
}

export function show({ json, text, exitCode = 0 }: Shown, asJson: boolean): void {
  process.stdout.write(`${asJson ? JSON.stringify(json, null, 2) : text}\n`)
  process.exitCode = exitCode
}

/** Progress and hints: never what was asked for. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Does the work of a command. A failure is one line on stderr; what commander has told already it is left to tell. */
export async function orExit(
  program: string,
  toldOf: (failure: unknown) => Told,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (failure) {
    if (failure instanceof CommanderError) throw failure
    const { code, message, exitCode } = toldOf(failure)
    process.stderr.write(`${program}: ${code}: ${message.replaceAll(/\s*\n\s*/g, '; ')}\n`)
    process.exitCode = exitCode
  }
}
