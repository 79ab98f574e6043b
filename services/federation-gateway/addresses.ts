import type { Configuration } from './config.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** `ADDRESS:PORT`, an address of IPv6 in brackets. */
export function addressOf(text: string): Address {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) }
}

/** Where enrolment URLs lead. */
export function publicUrlOf({ publicUrl, publicName, listeners }: Configuration): string {
  return publicUrl ?? new URL(`https://${publicName}:${addressOf(listeners.public).port}`).origin
}

/** Where peers call. */
export function federationUrlOf({ publicName, listeners }: Configuration): string {
  return new URL(`https://${publicName}:${addressOf(listeners.federation).port}`).origin
}
