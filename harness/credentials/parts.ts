import type { Identity } from '../pki/certificate.ts'

/**
 * What a call can carry of credentials, by name: the one list of parts, closed so that every use of one is found by its type. A
 * credential kind says which of them it is presented as.
 */
export interface Presented {
  readonly certificate?: Identity
  readonly token?: string
}

export type PartName = keyof Presented
/** The value of a part that is there. */
export type Part<Name extends PartName> = NonNullable<Presented[Name]>
