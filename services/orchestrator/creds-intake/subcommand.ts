import type { Command } from 'commander'
import {
  addConfigurationOptions,
  flagsOf,
  loadConfiguration,
  redactedConfiguration,
} from '../../shared/configuration.ts'
import { exitOnStartFailure, StartFailure } from '../../shared/start-failure.ts'
import { intakeProgram } from './config.ts'

/** Nothing is wrong here, and nothing came: try again later (sysexits.h, EX_TEMPFAIL). */
const EXIT_TIMEOUT = 75

/** Name of the command. */
export const INTAKE = 'creds-intake'

export function addIntakeCommand(root: Command): void {
  const command = root
    .command(INTAKE)
    .description('Takes over credentials that another host handed over: waits, checks, installs them, and ends.')
    .option('--check-config', 'check the configuration, then end')
    .option('--print-config', 'print the effective configuration, then end')
    .action((_, self: Command) => run(self))
  addConfigurationOptions(command, intakeProgram)
}

async function run(command: Command): Promise<void> {
  const { config, checkConfig, printConfig } = command.opts<{
    config?: string
    checkConfig?: true
    printConfig?: true
  }>()
  try {
    const configuration = loadConfiguration(intakeProgram, { file: config, flags: flagsOf(command, intakeProgram) })
    const { intake, optionsOf } = await import('./run.ts')
    const options = optionsOf(configuration)
    if (printConfig) print(JSON.stringify(redactedConfiguration(intakeProgram, configuration), null, 2))
    else if (checkConfig) print('the configuration is good')
    else await intake(configuration, options)
  } catch (failure) {
    if (failure instanceof StartFailure && failure.reason === 'handover_timeout') {
      process.stderr.write(`${intakeProgram.name}: ${failure.reason}: ${failure.message}\n`)
      process.exit(EXIT_TIMEOUT)
    }
    exitOnStartFailure(intakeProgram.name, failure)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
