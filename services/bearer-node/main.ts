import { commandsMain } from '../shared/commands-main.ts'
import { wayOutOfWrite } from '../shared/system-failure.ts'
import { addCommands } from './commands/add-commands.ts'
import { program } from './config.ts'

/** State of the cluster lies in its files: nobody else is to read any of them, not even for a moment. */
process.umask(0o077)

await commandsMain({
  program,
  description: 'Elects a leader among nodes that share one bearer token, and runs pipelines on them.',
  // Each command loads what it needs once it is named.
  add(root) {
    root
      .option('--require-auth', 'start with a token or not at all; as auth.require')
      .option('--auth-token <token>', 'the token; others see it there: HOLDFAST_CLUSTER_AUTH_TOKEN_FILE names a file')
    root
      .command('serve')
      .description('serve until told to end')
      .action(async () => (await import('./serve.ts')).serve(root))
    addCommands(root)
  },
  wayOut: wayOutOfWrite,
})
