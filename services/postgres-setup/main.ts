import { Command, CommanderError } from 'commander'
import {
  addConfigurationOptions,
  flagsOf,
  redactedConfiguration,
  warnIgnoredSwitches,
} from '../shared/configuration.ts'
import { createLog, failureFields } from '../shared/log.ts'
import { exitOnStartFailure, StartFailure } from '../shared/start-failure.ts'
import { setUp } from './cluster.ts'
import { loadConfig, program } from './config.ts'
import { readPassword } from './password.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

interface Options {
  config?: string
  checkConfig?: boolean
  printConfig?: boolean
}

/** Nobody else is to read any file of a database, not even for a moment. */
process.umask(0o077)

const command = new Command(program.name)
  .description('Makes the data folder of a PostgreSQL, with one database and the role that owns it.')
  .option('--check-config', 'check the configuration, then exit')
  .option('--print-config', 'print the configuration as it is understood, then exit')
  .exitOverride()
  .action((_, self: Command) => withConfiguration(self))
addConfigurationOptions(command, program)
command
  .command('check-password')
  .description('ends with 78 unless this file holds one password, for its owner alone')
  .argument('<file>')
  .action((file: string) => orExit(async () => void (await readPassword(file))))

try {
  await command.parseAsync()
} catch (failure) {
  if (!(failure instanceof CommanderError)) throw failure
  process.exitCode = failure.exitCode === 0 ? 0 : EXIT_USAGE
}

/** What it did is printed as one line of JSON. */
async function withConfiguration(self: Command): Promise<void> {
  const { config: file, checkConfig, printConfig } = command.opts<Options>()
  await orExit(async () => {
    const configuration = loadConfig({ file, flags: flagsOf(self, program) })
    if (printConfig) return print(JSON.stringify(redactedConfiguration(program, configuration), null, 2))
    if (checkConfig) return print('the configuration is good')
    warnIgnoredSwitches(createLog({ node: program.name, unit: 'setup' }))
    print(JSON.stringify(await setUp(configuration)))
  })
}

async function orExit(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (failure) {
    if (failure instanceof StartFailure) exitOnStartFailure(program.name, failure)
    const { code = 'failed', message } = failureFields(failure)
    process.stderr.write(`${program.name}: ${code}: ${message.replaceAll(/\s*\n\s*/g, '; ')}\n`)
    process.exit(EXIT_FAILED)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
