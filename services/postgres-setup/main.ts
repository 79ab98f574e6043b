import { commandsMain } from '../shared/commands-main.ts'
import { wayOutOfWrite } from '../shared/system-failure.ts'
import { setUp } from './cluster.ts'
import { program } from './config.ts'
import { readPassword } from './password.ts'

/** Nobody else is to read any file of a database, not even for a moment. */
process.umask(0o077)

await commandsMain({
  program,
  description: 'Makes the data folder of a PostgreSQL, with one database and the role that owns it.',
  byDefault: setUp,
  add: (root) =>
    root
      .command('check-password')
      .description('ends with 78 unless this file holds one password, for its owner alone')
      .argument('<file>')
      .action(async (file: string) => void (await readPassword(file))),
  wayOut: wayOutOfWrite,
})
