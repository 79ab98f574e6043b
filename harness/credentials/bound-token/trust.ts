import type { ActionVerification } from '../../topology/verification.ts'

export type TokenTrust = ReturnType<typeof trustIn>

/** Which tokens an action believes, and when. */
export function trustIn({ checks }: Pick<ActionVerification, 'checks'>) {
  const planned = (name: string) => checks.find(({ check }) => check === `bound-token/${name}`)
  const argsOf = <T>(name: string) => (planned(name)?.args ?? {}) as Partial<T>
  const guardOf = (name: string) => {
    const found = planned(name)
    return found?.settles ? undefined : found?.guard
  }
  /** The guard that asks the issuer about a token. Absent: none does. */
  const asks = guardOf('active')
  const isOfOneSet = planned('signature') !== undefined && planned('key') === undefined
  return {
    /** The only `iss` that is believed, and what will do in `aud`. Absent: it looks at no token. */
    issuer: argsOf<{ issuer: string }>('issuer').issuer,
    audiences: argsOf<{ audiences: string[] }>('audience').audiences ?? [],
    /** What `scope` must hold, and a list of nodes where there is one. Absent: nobody looks. */
    scope: argsOf<{ scope: string }>('scope').scope,
    node: argsOf<{ node: string }>('node').node,
    /** How far the times of a token may be off; what is not told is taken for none. */
    skewSeconds: argsOf<{ skewSeconds: number }>('not-expired').skewSeconds ?? 0,
    /** How long it may go on with an old key set once it was shown a token of a new key. Absent: it read its keys once. */
    learnsKeysWithinMs: isOfOneSet ? undefined : (argsOf<{ withinMs: number }>('key').withinMs ?? 12_000),
    /** The guard that proves what stands in a token. Absent: none does. */
    proves: guardOf('signature') ?? asks,
    asks,
  }
}
