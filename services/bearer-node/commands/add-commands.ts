import type { Command } from 'commander'
import { addExample, print } from './command.ts'
import { addTemplatesCommand } from './templates.ts'
import { addTokenCommands } from './token.ts'

/** The commands besides `serve`; each loads what it needs once it is named. What one throws ends the program. */
export function addCommands(root: Command): void {
  const check = root
    .command('check')
    .description('judge all that a start would, open no socket, and tell what would come of it')
  addExample(check, 'check --require-auth --config /etc/holdfast/bearer-node.json').action(async () =>
    print(await (await import('./check.ts')).runCheck(root)),
  )
  addTokenCommands(root)
  addTemplatesCommand(root)
}
