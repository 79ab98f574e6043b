import type { Verdict } from '../../site/verdict.ts'
import type { Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'

/** What a target says that it needed itself. */
const mostMs = 100
/** What the caller of a target that says nothing waited: the handshake and a busy machine are part of it. */
const mostMsOutside = 1_000

/** A refusal that must not cost the target anything worth speaking of. */
export function demandSoon(
  lab: Pick<Lab, 'demand'>,
  { decision, ms: outside }: Pick<Verdict, 'decision' | 'ms'>,
): void {
  const [ms, most] = decision === undefined ? [outside, mostMsOutside] : [decision.ms, mostMs]
  lab.demand(ms <= most, `it took ${Math.round(ms)} ms to say no, and may take ${most} ms`)
}

/** The variant, whose refusal must come soon. */
export function soon(variant: Variant): Variant {
  return {
    ...variant,
    async attack(lab) {
      const verdict = (await variant.attack(lab)) as Verdict
      demandSoon(lab, verdict)
      return verdict
    },
  }
}
