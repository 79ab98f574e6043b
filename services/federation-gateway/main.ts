import { commandsMain } from '../shared/commands-main.ts'
import { wayOutOfWrite } from '../shared/system-failure.ts'
import { addKeepingCommands } from './commands/keeping.ts'
import { program } from './config.ts'

/** Keys and rows lie in its files: nobody else is to read any of them, not even for a moment. */
process.umask(0o077)

await commandsMain({
  program,
  description: 'Lends scoped rows to gateways of others by short-lived certificates, and asks theirs.',
  // Each command loads what it needs once it is named.
  add(root, run) {
    root
      .command('start')
      .description('serve until told to end')
      .action(async () => (await import('./serve.ts')).serve(root))
    root
      .command('migrate')
      .description('bring the tables of the database up to this version')
      .action((_, self) => run(self, async (given) => (await import('./commands/migrate.ts')).runMigrate(given)))
    root
      .command('import')
      .description('bring in tenants, users, teams and rows of a seed; once, however often it is run')
      .argument('<file>', 'JSON file')
      .action((file: string, _, self) =>
        run(self, async (given) => (await import('./commands/import.ts')).runImport(given, file)),
      )
    addKeepingCommands(root, run)
  },
  wayOut: wayOutOfWrite,
})
