import type { OwnLeaf } from './connected-peer.ts'

/** step-ca sets the beginning of a certificate back by so much: that time was over when it was issued. */
const BACKDATED_MS = 60_000
const AT = 2 / 3
const SPREAD = 0.05
/** After so many failures in a row, and each later one after the last of these. */
const PAUSES_MS = [5_000, 10_000, 20_000, 40_000, 60_000]

/** When a certificate is to be renewed: at two thirds of its life, not all of them at once. `random`: from 0 to 1. */
export function renewalDue({ notBefore, notAfter }: Pick<OwnLeaf, 'notBefore' | 'notAfter'>, random: number): number {
  const [from, end] = [notBefore.getTime(), notAfter.getTime()]
  const issued = from + Math.min(BACKDATED_MS, (end - from) * AT)
  return issued + (end - issued) * (AT + (2 * random - 1) * SPREAD)
}

/** How long to wait after so many failures in a row. */
export function renewalPause(failures: number): number {
  return PAUSES_MS[Math.min(failures, PAUSES_MS.length) - 1]!
}
