import { Command, CommanderError } from 'commander'
import {
  addConfigurationOptions,
  flagsOf,
  redactedConfiguration,
  warnIgnoredSwitches,
} from '../shared/configuration.ts'
import { createLog, failureFields } from '../shared/log.ts'
import { exitOnStartFailure, StartFailure } from '../shared/start-failure.ts'
import { isSystems } from '../shared/system-failure.ts'
import { type Configuration, loadConfig, program } from './config.ts'
import { wayOut } from './files.ts'
import { addWork } from './work.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

interface Options {
  config?: string
  checkConfig?: boolean
  printConfig?: boolean
}

/** What keys and credentials are made by: nobody else is to read any file of it, not even for a moment. */
process.umask(0o077)

const command = new Command(program.name)
  .description(
    'Makes the operator, accounts and users of a NATS broker with nsc, hands credentials over, and ends them.',
  )
  .option('--check-config', 'check the configuration, then exit')
  .option('--print-config', 'print the configuration as it is understood, then exit')
  .exitOverride()
  .action((_, self: Command) => withConfiguration(self, async () => self.help({ error: true })))
addConfigurationOptions(command, program)
addWork(command, withConfiguration)

try {
  await command.parseAsync()
} catch (failure) {
  if (!(failure instanceof CommanderError)) throw failure
  process.exitCode = failure.exitCode === 0 ? 0 : EXIT_USAGE
}

/** Does something with the configuration; what it answers is printed as one line of JSON. */
async function withConfiguration(
  self: Command,
  work: (configuration: Configuration) => Promise<unknown>,
): Promise<void> {
  const { config: file, checkConfig, printConfig } = command.opts<Options>()
  try {
    const configuration = loadConfig({ file, flags: flagsOf(command, program) })
    if (printConfig) return print(JSON.stringify(redactedConfiguration(program, configuration), null, 2))
    if (checkConfig) return print('the configuration is good')
    warnIgnoredSwitches(createLog({ node: program.name, unit: self.name() }))
    print(JSON.stringify(await work(configuration)))
  } catch (failure) {
    if (failure instanceof CommanderError) throw failure
    if (failure instanceof StartFailure) exitOnStartFailure(program.name, failure)
    const { code = 'failed', message } = failureFields(failure)
    const told = isSystems(code)
      ? `storage_unavailable: ${message}; ${wayOut(code)}, and run this again`
      : `${code}: ${message}`
    process.stderr.write(`${program.name}: ${told.replaceAll(/\s*\n\s*/g, '; ')}\n`)
    process.exit(EXIT_FAILED)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
