import type { Verifiable } from '../verification.ts'
import { defects } from './defects.ts'
import { steps } from './steps.ts'

export { otherOperator } from './defects.ts'
export { folderOf, handedOver, type Manifest, manifestIn, monitoring, places } from './facts.ts'

/** Credentials that nsc made, from the broker's host to a command that is done: T1 to T8, and what turns each of them red. */
export const natsOrchestrator: Verifiable = { steps, defects }
