import type { Command } from 'commander'
import type { Configuration } from './config.ts'

type Run = (self: Command, work: (configuration: Configuration) => Promise<unknown>) => Promise<void>

/** Adds one command for each thing that can be done. Each loads what it needs when it is named. */
export function addWork(root: Command, run: Run): void {
  const add = (name: string, description: string, work: (configuration: Configuration) => Promise<unknown>) =>
    root
      .command(name)
      .description(description)
      .action((_, self: Command) => run(self, work))

  add(
    'setup',
    'make operator, accounts, users and their files, unless they are there and whole',
    async (configuration) => {
      const { setUp } = await import('./setup.ts')
      const { record, made, movedAside } = await setUp(configuration)
      return { generation: record.generation, operator: record.operator.key, made, movedAside }
    },
  )
  add('copy', 'hand credentials over to the folders of their receivers', async (configuration) => {
    const { copyAll } = await import('./copy.ts')
    return { handovers: await copyAll(configuration) }
  })
  add('push', "bring the accounts' claims to the broker, and see that they are there", async (configuration) => {
    const { pushAll } = await import('./push.ts')
    return pushAll(configuration)
  })
}
