import type { Command } from 'commander'
import { runService } from '../shared/service-main.ts'
import { nodeName, program } from './config.ts'
import { startGateway } from './gateway.ts'
import { discard, prepare } from './start/prepare.ts'

/** Requests in flight, then the queue of the audit. */
const LONGEST_STOP_MS = 18_000

/** `gateway start`. */
export function serve(command: Command): Promise<void> {
  return runService(
    {
      program,
      description: '',
      who: (configuration) => ({ node: nodeName(configuration), unit: configuration.unit }),
      longestStopMs: LONGEST_STOP_MS,
      prepare,
      discard,
      start: startGateway,
    },
    command,
  )
}
