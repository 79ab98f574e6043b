import { Command, CommanderError } from 'commander'
import {
  addConfigurationOptions,
  flagsOf,
  redactedConfiguration,
  warnIgnoredSwitches,
} from '../shared/configuration.ts'
import { createLog, failureFields } from '../shared/log.ts'
import { EXIT_CONFIG, exitOnStartFailure, StartFailure } from '../shared/start-failure.ts'
import { stopOnSignals } from '../shared/stop-signals.ts'
import { addOperatorCommands } from './cli.ts'
import { type Configuration, loadConfig, nodeName, program } from './config.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

async function serve(command: Command): Promise<void> {
  const { config: file, checkConfig, printConfig } = command.opts<Options>()
  try {
    const configuration = loadConfig({ file, flags: flagsOf(command, program) })
    if (printConfig) return print(JSON.stringify(redactedConfiguration(program, configuration), null, 2))
    if (checkConfig) {
      const { checkStart } = await import('./server.ts')
      await checkStart(configuration)
      return print('the configuration is good')
    }
    await start(configuration)
  } catch (failure) {
    if (failure instanceof StartFailure) exitOnStartFailure(program.name, failure)
    const { code = 'failed', message } = failureFields(failure)
    process.stderr.write(`${program.name}: ${code}: ${message.replaceAll(/\s*\n\s*/g, '; ')}\n`)
    process.exit(isAddressMistake(code) ? EXIT_CONFIG : EXIT_FAILED)
  }
}

interface Options {
  config?: string
  checkConfig?: boolean
  printConfig?: boolean
}

async function start(configuration: Configuration): Promise<void> {
  const log = createLog({ node: nodeName(configuration), unit: configuration.unit })
  const { startServer } = await import('./server.ts')
  const starting = startServer(configuration)
  // Before it says that it is ready: whoever hears that may signal at once. A start that fails is told below.
  process.on('SIGHUP', () => void starting.then((server) => server.reload()).catch(() => {}))
  stopOnSignals(async () => (await starting).stop())
  await starting
  warnIgnoredSwitches(log)
}

/** An address that this machine does not have is a mistake in the configuration; one that is taken may be free later. */
function isAddressMistake(code: string): boolean {
  return ['EADDRNOTAVAIL', 'ENOTFOUND', 'EACCES', 'EINVAL'].includes(code)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

const command = new Command(program.name)
  .description('Mints certificate-bound access tokens (RFC 8705), for clients that prove who they are by mutual TLS.')
  .option('--check-config', 'check the configuration and every file that it names, then exit')
  .option('--print-config', 'print the configuration as it is understood, then exit')
  .exitOverride()
  .action((_, self: Command) => serve(self))
addConfigurationOptions(command, program)
addOperatorCommands(command)

try {
  await command.parseAsync()
} catch (failure) {
  if (!(failure instanceof CommanderError)) throw failure
  process.exitCode = failure.exitCode === 0 ? 0 : EXIT_USAGE
}
