import { placeOf } from '../topology/holders.ts'
import type { PlanCredential, Template } from '../topology/plan.ts'

/** Something about the data of a topology that will make good calls fail, or bad ones for the wrong reason. It is no test result. */
export interface Finding {
  /** What was looked at: `time-left`, `host-covered`. */
  check: string
  /** The credential, unit or file that is wrong, and where it is. */
  thing: string
  place: string
  message: string
  wayOut: string
}

/** What is wrong with one that lies at a holder. */
export type Problem = readonly [check: string, message: string, wayOut: string]

/** Less than this, and a run of scenarios may see it end. */
export const secondsNeeded = 60

export function findingText({ check, thing, place, message, wayOut }: Finding): string {
  return `${check}: ${thing} (${place}) ${message}; ${wayOut}`
}

/** Looks at what lies at each holder. Where that cannot be read, it tells so. */
export async function findingsAt<Planned extends PlanCredential>(
  held: readonly Planned[],
  look: (credential: Planned, holder: string, path: Template) => Promise<Problem[]>,
): Promise<Finding[]> {
  const all = held.flatMap((credential) =>
    credential.holders.map(async (holder) => {
      const path = placeOf(credential, holder)
      const problems = await look(credential, holder, path).catch((cause: Error): Problem[] => [
        ['readable', `cannot be read: ${cause.message}`, 'see why its hand-over did not bring it'],
      ])
      const found = { thing: credential.name, place: `${holder} ${path}` }
      return problems.map(([check, message, wayOut]) => ({ check, ...found, message, wayOut }))
    }),
  )
  return (await Promise.all(all)).flat()
}

/** For what begins and ends at these times, in ms since 1970, and must be good for so many seconds. */
export function timeProblems(
  { begins, ends, needed }: Readonly<Record<'begins' | 'ends' | 'needed', number>>,
  now: number,
  wayOut: string,
): Problem[] {
  if (begins > now) return [['time-left', `begins at ${new Date(begins).toISOString()}`, 'set the clocks alike']]
  const left = Math.floor((ends - now) / 1000)
  if (left >= needed) return []
  const message = left < 0 ? `ended ${-left} s ago` : `ends in ${left} s, and ${needed} s are needed`
  return [['time-left', message, wayOut]]
}
