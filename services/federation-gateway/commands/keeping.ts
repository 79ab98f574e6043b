import { type Command, InvalidArgumentError } from 'commander'
import type { RunCommand } from '../../shared/commands-main.ts'
import type { Configuration } from '../config.ts'
import { momentOf } from '../wire/instant.ts'

/** Commands that look after a gateway; each loads what it needs once it is named. */
export function addKeepingCommands(root: Command, run: RunCommand<Configuration>): void {
  command(
    root,
    'doctor',
    'look at all that this gateway stands on; ends with 1 where something failed',
    'doctor --json',
  )
    .option('--json', 'print one JSON value, for programs')
    .option('--deep', 'have the CA issue a certificate, see what is in it, and revoke it')
    .action(async (options: { json?: true; deep?: true }) => (await import('./doctor.ts')).runDoctor(root, options))
  command(root, 'schema', 'print the JSON Schema of gateway.json', 'schema > gateway.schema.json').action(async () => {
    const { configurationJsonSchema } = await import('../config.ts')
    process.stdout.write(`${JSON.stringify(configurationJsonSchema(), null, 2)}\n`)
  })

  const keys = root.command('keys').description('the sealed keys with which peers are called')
  command(keys, 'status', 'count them by the secret that has sealed them', 'keys status').action((_, self: Command) =>
    run(self, async (given) => (await import('./keys.ts')).runKeysStatus(given)),
  )
  command(
    keys,
    'rotate',
    'seal anew, with BETTER_AUTH_SECRET, what those in BETTER_AUTH_SECRET_PREVIOUS have sealed; the gateway may run',
    'keys rotate',
  ).action((_, self: Command) => run(self, async (given) => (await import('./keys.ts')).runKeysRotate(given)))

  const ca = root.command('ca').description('the CA whose certificates are taken')
  command(
    ca,
    'repin',
    'take the root in STEP_CA_ROOT_CERT_PATH for the one that counts, from now on',
    'ca repin',
  ).action((_, self: Command) => run(self, async (given) => (await import('./repin.ts')).runRepin(given)))

  const audit = root.command('audit').description('the record of all requests')
  command(
    audit,
    'archive',
    'move rows into the archive, where they can still be read',
    'audit archive --before 2026-01-31',
  )
    .requiredOption('--before <date>', 'rows that are older: a day (UTC) or a moment (RFC 3339)', moment)
    .action(({ before }: { before: Date }, self: Command) =>
      run(self, async (given) => (await import('./archive.ts')).runArchive(given, before)),
    )
}

function command(parent: Command, name: string, description: string, example: string): Command {
  return parent.command(name).description(description).addHelpText('after', `\nExample:\n  $ gateway ${example}`)
}

function moment(text: string): Date {
  const at = momentOf(text)
  if (at === undefined) throw new InvalidArgumentError('must be a day such as 2026-01-31, or a moment (RFC 3339)')
  return new Date(at)
}
