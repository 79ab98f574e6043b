import type { Command } from 'commander'
import { runService } from '../shared/service-main.ts'
import { startNode } from './bearer-node.ts'
import { program } from './config.ts'
import { prepare } from './prepare.ts'
import { takeTokenEnvironment } from './settings.ts'

/** Streams and requests in flight, then the stages that run here. */
const LONGEST_STOP_MS = 15_000

/** `bearer-node serve`. */
export async function serve(command: Command): Promise<void> {
  const { authToken, requireAuth } = command.opts<{ authToken?: string; requireAuth?: true }>()
  // The one key that has a flag of its own.
  if (requireAuth === true) command.setOptionValue('authRequire', 'true')
  const environment = takeTokenEnvironment()
  await runService(
    {
      program,
      description: '',
      who: ({ nodeId, unit }) => ({ node: nodeId, unit }),
      longestStopMs: LONGEST_STOP_MS,
      prepare: (config) => prepare(config, { flag: authToken, environment }),
      discard: async ({ decisions }) => decisions.close(),
      start: startNode,
    },
    command,
  )
}
