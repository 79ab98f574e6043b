import type { Command } from 'commander'
import {
  note,
  orExit as orExitOf,
  type Shown,
  show,
  type Told,
  withExamples as withExamplesOf,
} from '../shared/client-commands.ts'
import { flagsOf, loadConfiguration, warnIgnoredSwitches } from '../shared/configuration.ts'
import { createLog } from '../shared/log.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { type Configuration, program } from './config.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Gateway } from './gateway.ts'

export { note, type Shown, show }

export type Run = (self: Command, work: (gateway: Gateway) => Promise<Shown>) => Promise<void>

/** A command with an example, which `--help` shows. */
export function addCommand(parent: Command, name: string, description: string, ...examples: string[]): Command {
  const command = parent.command(name).description(description)
  return withExamples(command, examples)
}

export function withExamples(command: Command, examples: readonly string[]): Command {
  return withExamplesOf(command, program.name, examples)
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

export function orExit(work: () => Promise<void>): Promise<void> {
  return orExitOf(program.name, told, work)
}

function told(failure: unknown): Told {
  if (failure instanceof CommandFailed) return failure
  if (failure instanceof StartFailure) return { code: failure.reason, message: failure.message, exitCode: EXIT.usage }
  const { code = 'failed', message } = failure as NodeJS.ErrnoException
  return { code: String(code), message: String(message), exitCode: EXIT.failed }
}
