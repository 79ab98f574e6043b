import { Command } from 'commander'
import {
  addConfigurationOptions,
  flagsOf,
  loadConfiguration,
  type Program,
  redactedConfiguration,
  warnIgnoredSwitches,
} from './configuration.ts'
import { createLog, failureFields, type Log } from './log.ts'
import { exitOnStartFailure, StartFailure } from './start-failure.ts'
import { stopOnSignals } from './stop-signals.ts'

/** A service that runs until it is told to end. */
export interface RunningService {
  /** With SIGHUP: the configuration as it is now; on a mistake in it everything stays as it was. */
  reload(): void
  stop(): Promise<void>
}

export interface ServiceMain<Configuration, Prepared> {
  readonly program: Program<Configuration>
  readonly description: string
  /** Whose the log is. */
  who(configuration: Configuration): { node: string; unit: string }
  /** The longest that an end may take. Default: what a service without long calls takes. */
  readonly longestStopMs?: number
  /** Judges everything that can be judged before a socket is opened. Throws `StartFailure`. */
  prepare(configuration: Configuration): Prepared | Promise<Prepared>
  /** Lets go of what was prepared, and is not to be started: a configuration was only to be checked. */
  discard?(prepared: Prepared): Promise<void>
  /** @param load reads the configuration anew, from the same sources; throws `StartFailure` */
  start(prepared: Prepared, log: Log, load: () => Configuration): Promise<RunningService>
}

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const ADDRESS_MISTAKES = ['EADDRNOTAVAIL', 'ENOTFOUND', 'EACCES', 'EINVAL', 'EADDRINUSE']

/** What stands in the `main.ts` of a service: its command line, its configuration, its signals, and how it ends. */
export async function serviceMain<Configuration, Prepared>(main: ServiceMain<Configuration, Prepared>): Promise<void> {
  const { program } = main
  const command = new Command(program.name)
    .description(main.description)
    .option('--check-config', 'check the configuration and everything that it names, then end')
    .option('--print-config', 'print the effective configuration, then end')
    .allowExcessArguments(false)
    // It has said what is wrong by then.
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE))
  addConfigurationOptions(command, program)
  command.parse()
  await runService(main, command)
}

/** The same for a program of several commands, one of which is the service: `command` has the flags, and was parsed. */
export async function runService<Configuration, Prepared>(
  main: ServiceMain<Configuration, Prepared>,
  command: Command,
): Promise<void> {
  const { program } = main
  const {
    config: file,
    checkConfig,
    printConfig,
  } = command.opts<{ config?: string; checkConfig?: true; printConfig?: true }>()
  const load = (): Configuration => loadConfiguration(program, { file, flags: flagsOf(command, program) })
  try {
    const configuration = load()
    if (printConfig) return print(JSON.stringify(redactedConfiguration(program, configuration), null, 2))
    const prepared = await main.prepare(configuration)
    if (checkConfig) {
      await main.discard?.(prepared)
      return print('the configuration is good')
    }
    const log = createLog(main.who(configuration))
    warnIgnoredSwitches(log)
    const starting = main.start(prepared, log, load)
    // Before it says that it has started: whoever hears that may signal at once. A start that fails is told below.
    process.on('SIGHUP', () => void starting.then((service) => service.reload()).catch(() => {}))
    stopOnSignals(async () => (await starting).stop(), main.longestStopMs)
    await starting
    log.info('started', {})
  } catch (failure) {
    const { code, message } = failureFields(failure)
    if (failure instanceof StartFailure) exitOnStartFailure(program.name, failure)
    if (code !== undefined && ADDRESS_MISTAKES.includes(code)) {
      exitOnStartFailure(program.name, new StartFailure('config_invalid', `${message}; choose an address that is free`))
    }
    process.stderr.write(`${program.name}: ${code ?? 'failed'}: ${message.replaceAll(/\s*\n\s*/g, '; ')}\n`)
    process.exit(EXIT_FAILED)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
