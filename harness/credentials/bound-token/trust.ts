import type { ActionVerification } from '../../topology/verification.ts'

/** Which tokens an action believes, and when. */
export interface TokenTrust {
  /** The only `iss` that is believed, and what will do in `aud`. Absent: it looks at no token. */
  readonly issuer?: string
  readonly audiences: readonly string[]
  /** How far the times of a token may be off; what is not told is taken for none. */
  readonly skewSeconds: number
  /** How long it may go on with an old key set once it was shown a token of a new key. */
  readonly learnsKeysWithinMs: number
  /** The guard that proves what stands in a token. Absent: none does. */
  readonly proves?: string
  /** The one that asks the issuer about a token. Absent: none does. */
  readonly asks?: string
}

export function trustIn({ checks }: Pick<ActionVerification, 'checks'>): TokenTrust {
  const planned = (name: string) => checks.find(({ check }) => check === `bound-token/${name}`)
  const argsOf = <T>(name: string) => (planned(name)?.args ?? {}) as Partial<T>
  const guardOf = (name: string) => {
    const found = planned(name)
    return found?.settles ? undefined : found?.guard
  }
  const asks = guardOf('active')
  return {
    issuer: argsOf<{ issuer: string }>('issuer').issuer,
    audiences: argsOf<{ audiences: string[] }>('audience').audiences ?? [],
    skewSeconds: argsOf<{ skewSeconds: number }>('not-expired').skewSeconds ?? 0,
    learnsKeysWithinMs: argsOf<{ withinMs: number }>('key').withinMs ?? 12_000,
    proves: guardOf('signature') ?? asks,
    asks,
  }
}
