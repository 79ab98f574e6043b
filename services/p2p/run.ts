import type { Command } from 'commander'
import { note, orExit as orExitOf, type Shown, show, type Told, withExamples } from '../shared/client-commands.ts'
import { flagsOf, loadConfiguration, warnIgnoredSwitches } from '../shared/configuration.ts'
import { createLog } from '../shared/log.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { type Configuration, program } from './config.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Cluster } from './open-cluster.ts'

/** Does something with the cluster that the command line names, and shows what came of it. */
export type Run = (self: Command, work: (cluster: Cluster) => Promise<Shown>) => Promise<void>

/** A command with examples, which `--help` shows. */
export function addCommand(parent: Command, name: string, description: string, ...examples: string[]): Command {
  return withExamples(parent.command(name).description(description), program.name, examples)
}

export function runWith(root: Command): Run {
  return (self, work) =>
    orExit(async () => {
      const configuration = configurationOf(root)
      warnIgnoredSwitches(createLog({ node: program.name, unit: self.name() }))
      const { authToken: flag, json } = root.opts<{ authToken?: string; json?: true }>()
      const { openCluster } = await import('./open-cluster.ts')
      show(await work(await openCluster(configuration, { flag, isForPrograms: json === true, note })), json === true)
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
  return { code: String(code), message: String(message), exitCode: EXIT.unreachable }
}
