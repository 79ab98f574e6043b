import type { ToldCall } from '../site/told-call.ts'

/** Verdicts on one node that rest on less than its own decision records. */
export interface WeakerProofs {
  readonly node: string
  /** `status alone; effects not observed`. */
  readonly proof: string
  readonly calls: number
}

/** What calls rest on, where that is less than a decision record: by node, so that nobody takes one for the other. */
export function weakerProofs(calls: readonly ToldCall[]): WeakerProofs[] {
  const weaker = calls.filter(({ weakerProof }) => weakerProof !== undefined)
  const alike = Map.groupBy(weaker, ({ to, weakerProof }) => `${to} ${weakerProof}`)
  return [...alike.values()].map((some) => ({
    node: some[0]!.to,
    proof: some[0]!.weakerProof!,
    calls: some.length,
  }))
}
