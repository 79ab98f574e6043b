import type { Command } from 'commander'
import type { RunCommand } from '../shared/commands-main.ts'
import type { Configuration } from './config.ts'
import type { RequestOptions } from './request.ts'

type Work = (configuration: Configuration, options: RequestOptions) => Promise<unknown>
type Run = RunCommand<Configuration>

/** Adds one command for each thing that can be done. Each loads what it needs when it is named. */
export function addWork(root: Command, run: Run): void {
  const add = (name: string, description: string, work: Work) =>
    root
      .command(name)
      .description(description)
      .action((options: RequestOptions, self: Command) => run(self, (configuration) => work(configuration, options)))
  const addWithRequest = (name: string, description: string, work: Work) =>
    add(name, description, work)
      .option('--request <file>', 'JSON file that says whom, and more; - reads standard input')
      .option('--user <names...>', 'instead of a request: names of users')

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
    const { pushAll } = await import('./revoke.ts')
    return pushAll(configuration)
  })
  addWithRequest(
    'rotate',
    'give users new keys, hand these over, and end the old ones after a while',
    async (configuration, options) => {
      const { readRequest, rotationSchema } = await import('./request.ts')
      const { rotate } = await import('./rotate.ts')
      return rotate(configuration, readRequest(rotationSchema, options))
    },
  )
  addWithRequest(
    'revoke',
    'end credentials at once, also of those who are connected',
    async (configuration, options) => {
      const { readRequest, revocationSchema } = await import('./request.ts')
      const { revoke } = await import('./revoke.ts')
      return revoke(configuration, readRequest(revocationSchema, options))
    },
  )
}
