import { Command, CommanderError } from 'commander'
import { addConfigurationOptions } from '../shared/configuration.ts'
import { program } from './config.ts'
import { EXIT } from './failure.ts'
import { addGrantCommands } from './grant-commands.ts'
import { addPeerCommands } from './peer-commands.ts'
import { configurationOf, orExit, runWith, withExamples } from './run.ts'
import { addStateCommands } from './state-commands.ts'

/** Invitations and certificates are made by it: nobody else is to read a file, not even for a moment. */
process.umask(0o077)

const root = new Command(program.name)
  .description('Administers a federation gateway: whom it lends to, what, and whom it asks.')
  .option('--json', 'print one JSON value, for programs')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()
  .action((_, self: Command) =>
    orExit(async () => {
      configurationOf(root)
      self.help({ error: true })
    }),
  )
addConfigurationOptions(root, program)
withExamples(root, [
  'peer list --url https://gateway-b.example:8443 --admin-token-file ./admin.token --gateway-ca ./root.pem',
])
const run = runWith(root)
addPeerCommands(root, run)
addGrantCommands(root, run)
addStateCommands(root, run)

try {
  await root.parseAsync()
} catch (failure) {
  if (!(failure instanceof CommanderError)) throw failure
  process.exitCode = failure.exitCode === 0 ? EXIT.done : EXIT.usage
}
