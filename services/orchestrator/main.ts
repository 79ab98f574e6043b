import { Command } from 'commander'
import { addConfigurationOptions } from '../shared/configuration.ts'
import { addIntakeCommand, INTAKE } from './creds-intake/subcommand.ts'

const EXIT_USAGE = 2

const command = new Command('orchestrator')
  .description('Exchanges routes with peers by certificate-bound tokens, and commands hosts over a broker.')
  .option('--check-config', 'check the configuration and everything that it names, then end')
  .option('--print-config', 'print the effective configuration without its secrets, then end')
  .allowExcessArguments(false)
  // A subcommand has flags of the same names.
  .enablePositionalOptions()
  // It has said what is wrong by then.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE))
  .action(async (_, self: Command) => {
    const { serve } = await import('./serve.ts')
    await serve(self)
  })
// An intake, which is started anew with each generation, does not wait for what the node itself is made of, nor for its settings.
if (process.argv[2] !== INTAKE) {
  const { program } = await import('./config.ts')
  addConfigurationOptions(command, program)
}
addIntakeCommand(command)
await command.parseAsync()
