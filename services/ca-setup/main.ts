import { commandsMain } from '../shared/commands-main.ts'
import { wayOutOfWrite } from '../shared/system-failure.ts'
import { program } from './config.ts'

/** What the keys of a CA are made by: nobody else is to read any file of it, not even for a moment. */
process.umask(0o077)

await commandsMain({
  program,
  description:
    'Makes root, issuing CA and provisioner keys of a step-ca, and the CRL of the root, unless they are there.',
  add: (root, run) =>
    root
      .command('init')
      .description('make what is not there yet, and see that what is there is whole')
      .action((_, self) => run(self, async (configuration) => (await import('./init.ts')).init(configuration))),
  wayOut: wayOutOfWrite,
})
