import { Command, CommanderError } from 'commander'
import { addConfigurationOptions, flagsOf, warnIgnoredSwitches } from '../shared/configuration.ts'
import { createLog, failureFields } from '../shared/log.ts'
import { exitOnStartFailure, StartFailure } from '../shared/start-failure.ts'
import { stopOnSignals } from '../shared/stop-signals.ts'
import { checkFiles } from './check-files.ts'
import { accompany } from './companion.ts'
import { loadConfig, program } from './config.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

interface Options {
  config?: string
  checkConfig?: boolean
}

async function serve(command: Command): Promise<void> {
  const { config: file, checkConfig } = command.opts<Options>()
  await orExit(async () => {
    const configuration = loadConfig({ file, flags: flagsOf(command, program) })
    if (checkConfig) return void process.stdout.write('the configuration is good\n')
    const log = createLog({ node: configuration.node, unit: program.name })
    const stop = new AbortController()
    const following = accompany(configuration, {
      ...{ signal: stop.signal, log },
      print: (line) => void process.stdout.write(`${line}\n`),
    })
    stopOnSignals(() => {
      stop.abort()
      return following
    })
    warnIgnoredSwitches(log)
    await following
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

const command = new Command(program.name)
  .description(
    'Stands beside a NATS broker: turns its log into decision records, and checks its files before it starts.',
  )
  .option('--check-config', 'check the configuration, then exit')
  .exitOverride()
  .action((_, self: Command) => serve(self))
addConfigurationOptions(command, program)
command
  .command('check')
  .description('ends with 78 unless each of these files is there and holds something')
  .argument('<file...>')
  .action((files: string[]) => orExit(() => checkFiles(files)))

try {
  await command.parseAsync()
} catch (failure) {
  if (!(failure instanceof CommanderError)) throw failure
  process.exitCode = failure.exitCode === 0 ? 0 : EXIT_USAGE
}
