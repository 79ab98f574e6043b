import { Command, CommanderError } from 'commander'
import {
  addConfigurationOptions,
  flagsOf,
  loadConfiguration,
  type Program,
  redactedConfiguration,
  warnIgnoredSwitches,
} from './configuration.ts'
import { createLog, failureFields } from './log.ts'
import { SetupError } from './setup-error.ts'
import { exitOnStartFailure, StartFailure } from './start-failure.ts'
import { isSystems } from './system-failure.ts'

/** A program of commands, each of which does one thing and ends. */
export interface CommandsMain<Configuration> {
  readonly program: Program<Configuration>
  readonly description: string
  /** Adds its commands. Each loads what it needs when it is named; what it throws ends the program. */
  add(root: Command, run: RunCommand<Configuration>): void
  /** What is done where no command is named. Default: help is shown, which is a mistake. */
  byDefault?(configuration: Configuration): Promise<unknown>
  /** Out of what the system says. */
  wayOut(code: string): string
}

/** Does something with the configuration; what it answers is printed as one line of JSON. */
export type RunCommand<Configuration> = (
  self: Command,
  work: (configuration: Configuration) => Promise<unknown>,
) => Promise<void>

interface Options {
  config?: string
  checkConfig?: boolean
  printConfig?: boolean
}

const EXIT_FAILED = 1
const EXIT_USAGE = 2

/** What stands in the `main.ts` of such a program: its command line, its configuration, and how it ends. */
export async function commandsMain<Configuration>(main: CommandsMain<Configuration>): Promise<void> {
  const { program } = main
  const command = new Command(program.name)
    .description(main.description)
    .option('--check-config', 'check the configuration, then exit')
    .option('--print-config', 'print the configuration as it is understood, then exit')
    .exitOverride()
    .action((_, self: Command) => run(self, main.byDefault ?? (async () => self.help({ error: true }))))
  addConfigurationOptions(command, program)
  const run: RunCommand<Configuration> = async (self, work) => {
    const { config: file, checkConfig, printConfig } = command.opts<Options>()
    const configuration = loadConfiguration(program, { file, flags: flagsOf(command, program) })
    if (printConfig) return print(JSON.stringify(redactedConfiguration(program, configuration), null, 2))
    if (checkConfig) return print('the configuration is good')
    warnIgnoredSwitches(createLog({ node: program.name, unit: self.name() }))
    print(JSON.stringify(await work(configuration)))
  }
  main.add(command, run)
  try {
    await command.parseAsync()
  } catch (failure) {
    if (failure instanceof StartFailure) exitOnStartFailure(program.name, failure)
    if (!(failure instanceof CommanderError)) exitOnFailure(main, failure)
    process.exitCode = failure.exitCode === 0 ? 0 : EXIT_USAGE
  }
}

function exitOnFailure(
  { program, wayOut }: Pick<CommandsMain<unknown>, 'program' | 'wayOut'>,
  failure: unknown,
): never {
  const { code = 'failed', message } = failureFields(failure)
  const told = isSystems(code)
    ? `storage_unavailable: ${message}; ${wayOut(code)}, and run this again`
    : `${code}: ${message}`
  process.stderr.write(`${program.name}: ${told.replaceAll(/\s*\n\s*/g, '; ')}\n`)
  process.exit(failure instanceof SetupError ? failure.exitCode : EXIT_FAILED)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
