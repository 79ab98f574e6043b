import { holderOf, placeOf } from '../topology/holders.ts'
import type { PlanCredential } from '../topology/plan.ts'

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

/** One line for people. */
export function findingText({ check, thing, place, message, wayOut }: Finding): string {
  return `${check}: ${thing} (${place}) ${message}; ${wayOut}`
}

/** Reads what lies at a holder and tells what is wrong with it; where it cannot be read, tells that. */
export async function readable(
  credential: PlanCredential,
  read: (place: string) => Promise<Finding[]>,
  holder: string = holderOf(credential),
): Promise<Finding[]> {
  const place = `${holder} ${placeOf(credential, holder)}`
  return read(place).catch((cause: Error) => {
    const message = `cannot be read: ${cause.message}`
    return [
      { check: 'readable', thing: credential.name, place, message, wayOut: 'see why its hand-over did not bring it' },
    ]
  })
}
