import { commandsMain } from '../shared/commands-main.ts'
import { program } from './config.ts'
import { wayOut } from './files.ts'
import { addWork } from './work.ts'

/** What keys and credentials are made by: nobody else is to read any file of it, not even for a moment. */
process.umask(0o077)

await commandsMain({
  program,
  description:
    'Makes the operator, accounts and users of a NATS broker with nsc, hands credentials over, and ends them.',
  add: addWork,
  wayOut,
})
