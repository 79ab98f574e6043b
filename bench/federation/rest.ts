import { setTimeout as wait } from 'node:timers/promises'
import { compare, type Measure } from '../measure.ts'
import { openFiles, privateBytes } from '../processes.ts'

/** After so long nobody keeps a connection that nobody uses, and V8 has given back what it needed for the work. */
const restMs = 3_000

/** What a process has for itself once it has come to rest. */
export interface AtRest {
  readonly bytes: number
  readonly open: number
}

export async function atRest(pid: number): Promise<AtRest> {
  await wait(restMs)
  return { bytes: await privateBytes(pid), open: await openFiles(pid) }
}

/** Of the same process, before and after what is to leave nothing. */
export function compareRests(what: string, before: AtRest, after: AtRest): Measure[] {
  return [
    compare(`memory ${what}`, before.bytes, after.bytes, { bar: { atMost: 1.2 }, unit: 'bytes', rounds: 1 }),
    compare(`files and sockets ${what}`, before.open, after.open, { bar: { atMost: 1 }, unit: 'open', rounds: 1 }),
  ]
}
