import { type Command, CommanderError } from 'commander'
import { flagsOf, loadConfiguration, warnIgnoredSwitches } from '../shared/configuration.ts'
import { createLog } from '../shared/log.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { type Configuration, program } from './config.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Gateway } from './gateway.ts'

/** What a command has to show: one JSON value, or a text for people. */
export interface Shown {
  readonly json: unknown
  readonly text: string
  /** Default: done. */
  readonly exitCode?: number
}

export type Run = (self: Command, work: (gateway: Gateway) => Promise<Shown>) => Promise<void>

/** A command with an example, which `--help` shows. */
export function addCommand(parent: Command, name: string, description: string, ...examples: string[]): Command {
  const command = parent.command(name).description(description)
  return withExamples(command, examples)
}

export function withExamples(command: Command, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ federation ${example}`)
  return command.addHelpText('after', `\nExample${lines.length === 1 ? '' : 's'}:\n${lines.join('\n')}`)
}

/** Asks the gateway that the configuration names, shows what came of it, and sets how the program ends. */
export function runWith(root: Command): Run {
  return (self, work) =>
    orExit(async () => {
      const configuration = configurationOf(root)
      warnIgnoredSwitches(createLog({ node: program.name, unit: self.name() }))
      const { openGateway } = await import('./gateway.ts')
      const gateway = openGateway(configuration)
      try {
        show(await work(gateway), root.opts<{ json?: true }>().json === true)
      } finally {
        gateway.close()
      }
    })
}

/** @throws StartFailure that names every wrong key */
export function configurationOf(root: Command): Configuration {
  const { config: file } = root.opts<{ config?: string }>()
  return loadConfiguration(program, { ...(file !== undefined && { file }), flags: flagsOf(root, program) })
}

export function show({ json, text, exitCode = EXIT.done }: Shown, asJson: boolean): void {
  process.stdout.write(`${asJson ? JSON.stringify(json, null, 2) : text}\n`)
  process.exitCode = exitCode
}

/** Progress and hints: never what was asked for. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

export async function orExit(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (failure) {
    if (failure instanceof CommanderError) throw failure
    const { code, message, exitCode } = told(failure)
    process.stderr.write(`${program.name}: ${code}: ${message.replaceAll(/\s*\n\s*/g, '; ')}\n`)
    process.exitCode = exitCode
  }
}

function told(failure: unknown): { code: string; message: string; exitCode: number } {
  if (failure instanceof CommandFailed) return failure
  if (failure instanceof StartFailure) return { code: failure.reason, message: failure.message, exitCode: EXIT.usage }
  const { code = 'failed', message } = failure as NodeJS.ErrnoException
  return { code: String(code), message: String(message), exitCode: EXIT.failed }
}
