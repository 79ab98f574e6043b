import type { Verdict } from '../../site/verdict.ts'
import { cases, presenting, strictly, type Variant } from '../attack.ts'
import { forging } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, type Outcome, overlong, refused } from '../outcome.ts'

/** Longer than any header may be: the listener ends it before anything is read. */
const tooLarge = overlong(refused(431, undefined, 'request_unreadable'))

/** What a target says that it needed itself. */
const mostMs = 100
/** What the caller of a target that says nothing waited: the handshake and a busy machine are part of it. */
const mostMsOutside = 1_000

/** Tokens that are made to cost. */
export const sizes = cases(['takes:bound-token'], {
  'GEN-21': {
    title: 'a token that is too large or too deep costs next to nothing',
    source: 'RFC 6585 section 5',
    variants: {
      '64 kB': costing(tooLarge, () => 'a'.repeat(65_536)),
      '64 kB of a token': costing(tooLarge, (token) => token.replace('.', `.${'a'.repeat(65_536)}`)),
      '12 kB': costing(overlong(A1('token_malformed')), (token) => token.replace('.', `.${'a'.repeat(12_000)}`)),
      '100 000 dots': costing(tooLarge, () => '.'.repeat(100_000)),
      '8 000 dots': costing(overlong(A1('token_malformed')), () => `a${'.'.repeat(8_000)}`),
      'a header 10 000 deep': costing(tooLarge, (token) => token.replace(/^[^.]*/, deep(10_000))),
      'a payload 10 000 deep': costing(tooLarge, (token) => token.replace(/\.[^.]*/, `.${deep(10_000)}`)),
      'a header as deep as fits': costing(overlong(A1('typ_invalid', 'token_malformed')), (token) =>
        token.replace(/^[^.]*/, deep(2_500)),
      ),
      // Nobody knows in which order a foreign one looks at a token, and how deep it reads (RFC 7519 section 7.2).
      'a claim as deep as fits': strictly(
        A1('signature_invalid'),
        soon(
          forging(overlong(A1('signature_invalid', 'issuer_untrusted', 'token_malformed')), {
            payloadText: (text) => `{"deep":${'['.repeat(2_500)}${']'.repeat(2_500)},${text.slice(1)}`,
            signature: () => 'A'.repeat(86),
          }),
        ),
      ),
    },
  },
})

function deep(levels: number): string {
  return Buffer.from(`{"typ":${'['.repeat(levels)}${']'.repeat(levels)}}`).toString('base64url')
}

function costing(expect: Outcome, token: (good: string) => string): Variant {
  return soon(presenting(expect, (good) => good.withToken(token, 'too large')))
}

/** A refusal that must not cost the target anything worth speaking of. */
export function demandSoon(
  lab: Pick<Lab, 'demand' | 'site'>,
  { decision, ms: outside }: Pick<Verdict, 'decision' | 'ms'>,
): void {
  const [ms, bound] = decision === undefined ? [outside, mostMsOutside] : [decision.ms, mostMs]
  const most = lab.site.bound(bound)
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
