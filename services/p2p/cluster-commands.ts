import type { Command } from 'commander'
import { addCommand, type Run } from './run.ts'

const LEADER = '--p2p-leader https://leader:8770'

/** Commands about nodes. What they do is loaded once one is named. */
export function addClusterCommands(root: Command, run: Run): void {
  const command = (parent: Command, name: string, description: string, ...examples: string[]) =>
    addCommand(parent, name, description, ...examples)

  command(
    root,
    'nodes',
    'show each node, and which of them refuse each other: 3 where some do, 4 where one is not reached',
    `nodes ${LEADER}`,
  ).action((_, self: Command) => run(self, async (cluster) => (await import('./nodes.ts')).showNodes(cluster)))
  command(
    root,
    'leader',
    'show who leads, or hand over to another node',
    `leader ${LEADER}`,
    `leader ${LEADER} --transfer-to orc-2`,
  )
    .option('--transfer-to <node>', 'have this node lead from now on')
    .action(({ transferTo }: { transferTo?: string }, self: Command) =>
      run(self, async (cluster) => {
        const { showLeader, transferLead } = await import('./leader.ts')
        return transferTo === undefined ? showLeader(cluster) : transferLead(cluster, transferTo)
      }),
    )
  command(root, 'events', 'follow what happens to leader and runs, until it is told to end', `events ${LEADER}`).action(
    (_, self: Command) => run(self, async (cluster) => (await import('./events.ts')).followEvents(cluster)),
  )
  const token = root.command('token').description('the token that the nodes share')
  command(
    token,
    'check',
    'show who sends and accepts which token, and which step of a roll is safe next',
    `token check ${LEADER}`,
    `token check ${LEADER} --new-token-file ./new.token`,
  )
    .option(
      '--new-token-file <file>',
      'the token that the roll leads to, in a file (0600); default: that of a roll of the own token',
    )
    .action(({ newTokenFile }: { newTokenFile?: string }, self: Command) =>
      run(self, async (cluster) => (await import('./token-check.ts')).checkTokens(cluster, newTokenFile)),
    )
}
