import { networkOf } from '../shared/network-of.ts'

/** Counts refusals in windows of one minute, by certificate and by address, or one /64 of IPv6. */
export interface RefusalRate {
  count(source: RefusalSource): void
  /** Seconds until the caller may try again, or undefined when it may now. */
  blockedFor(source: RefusalSource): number | undefined
}

interface RefusalSource {
  thumbprint: string | undefined
  address: string
}

const WINDOW_MS = 60_000

export function createRefusalRate(limits: { perCertificate: number; perAddress: number }): RefusalRate {
  let windowStart = performance.now()
  const counts = new Map<string, number>()
  const roll = (): void => {
    if (performance.now() - windowStart < WINDOW_MS) return
    windowStart = performance.now()
    counts.clear()
  }
  const keysOf = ({ thumbprint, address }: RefusalSource): [string, number][] => [
    ...(thumbprint === undefined ? [] : [[`certificate ${thumbprint}`, limits.perCertificate] as [string, number]]),
    [`network ${networkOf(address)}`, limits.perAddress],
  ]
  return {
    count(source) {
      roll()
      for (const [key] of keysOf(source)) counts.set(key, (counts.get(key) ?? 0) + 1)
    },
    blockedFor(source) {
      roll()
      const isBlocked = keysOf(source).some(([key, limit]) => (counts.get(key) ?? 0) >= limit)
      return isBlocked ? Math.ceil((WINDOW_MS - (performance.now() - windowStart)) / 1000) : undefined
    },
  }
}
