import { NotInPlan } from '../../site/site-files.ts'
import { cases, leftOpen, steps, type Variant } from '../attack.ts'
import { type Forgery, forged, forging, withClaim, withClaims, withoutClaim } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, accepted, type Outcome } from '../outcome.ts'

/** A claim whose value is written as this text, whatever a JSON writer would make of it. */
const written = (name: string, text: string): Forgery => ({
  claims: (claims) => ({ ...claims, [name]: 'written later' }),
  payloadText: (payload) => payload.replace('"written later"', text),
})

const seconds = () => Math.floor(Date.now() / 1000)

const anyNumber = leftOpen('a NumericDate may be any number (RFC 7519 section 2)')
const ageIsNoReason = leftOpen('iat tells the age of a token, and is no reason to refuse it (RFC 7519 section 4.1.6)')
const oneIsEnough = leftOpen(
  'one of several audiences is enough (RFC 7519 section 4.1.3), and only an issuer that is asked knows better',
)
const anyText = leftOpen(
  'sub is text for the application (RFC 7519 section 4.1.2), and is not validated by RFC 9068 section 4',
)
const lastOfTwo = leftOpen('a parser may return the last of two (RFC 7519 section 4)')
const otherBinding = { 'x5t#S256': 'A'.repeat(43) }

/** Claims that are missing, of a wrong kind, or out of time and place. */
export const claims = cases(['takes:bound-token'], {
  'GEN-16': {
    title: 'a token has an end, written as a time',
    source: 'RFC 9068 section 2.2; RFC 7519 section 4.1.4',
    variants: {
      'no exp': forging(A1('claim_missing'), withoutClaim('exp')),
      'a text': forging(A1('claim_invalid'), withClaim('exp', '9999999999')),
      negative: forging(A1('claim_invalid'), withClaim('exp', -1)),
      '0': forging(A1('claim_invalid'), withClaim('exp', 0)),
      '1e308': anyNumber(forging(A1('claim_invalid'), written('exp', '1e308'))),
      '1e400, which is infinite': anyNumber(forging(A1('claim_invalid'), written('exp', '1e400'))),
      '2^53 + 1': anyNumber(forging(A1('claim_invalid'), written('exp', '9007199254740993'))),
      'a fraction': anyNumber(forging(A1('claim_invalid'), written('exp', '9999999999.5'))),
      'the text NaN': forging(A1('claim_invalid'), withClaim('exp', 'NaN')),
      'NaN, which is no JSON': forging(A1('token_malformed'), written('exp', 'NaN')),
      null: forging(A1('claim_invalid'), withClaim('exp', null)),
      'an object': forging(A1('claim_invalid'), withClaim('exp', { exp: 9_999_999_999 })),
    },
  },
  'GEN-17': {
    title: 'the times of a token hold to the second, but for the documented skew',
    source: 'RFC 7519 sections 4.1.4 to 4.1.6',
    variants: {
      'exp just past the skew': atTime(A1('token_expired'), (now, skew) => ({ exp: now - skew - 1 })),
      // Two seconds inside of it, so that the call itself may take one.
      'exp just within the skew': atTime(accepted(), (now, skew) => ({ exp: now - skew + 3 })),
      'nbf just past the skew': atTime(A1('token_not_yet_valid'), (now, skew) => ({ nbf: now + skew + 3 })),
      'nbf just within the skew': atTime(accepted(), (now, skew) => ({ nbf: now + skew - 1 })),
      'iat an hour ahead': ageIsNoReason(atTime(A1('token_iat_future'), (now) => ({ iat: now + 3_600 }))),
      'iat just within the skew': ageIsNoReason(atTime(accepted(), (now, skew) => ({ iat: now + skew - 1 }))),
    },
  },
  'GEN-18': {
    title: 'a token for somebody else is refused',
    source: 'RFC 8725 section 3.9; RFC 9068 sections 4 and 5',
    variants: {
      'no aud': forging(A1('claim_missing'), withoutClaim('aud')),
      'an empty text': forging(A1('claim_invalid'), withClaim('aud', '')),
      'an empty list': forging(A1('claim_invalid'), withClaim('aud', [])),
      'another one': forAudience(A1('audience_mismatch'), () => ['https://evil.test']),
      'the same with a domain behind it': forAudience(A1('audience_mismatch'), (own) => `${own}.evil.test`),
      'the same with a slash': forAudience(A1('audience_mismatch'), (own) => `${own}/`),
      'the same in upper case': forAudience(A1('audience_mismatch'), (own) => own.toUpperCase()),
      'the same with its port': forAudience(A1('audience_mismatch'), (own) => `${own}:443`),
      'a list in a list': forAudience(A1('claim_invalid'), (own) => [[own]]),
      'an object': forAudience(A1('claim_invalid'), (own) => ({ aud: own })),
      'beside another one that the issuer never wrote': oneIsEnough(
        forAudience(A1('introspection_mismatch'), (own) => ['https://evil.test', own]),
      ),
    },
  },
  'GEN-19': {
    title: 'whom a token speaks for is one plain name',
    source: 'RFC 9068 section 2.2',
    variants: {
      'no sub': anyText(forging(A1('claim_missing'), withoutClaim('sub'))),
      'an empty text': spokenFor(() => ''),
      'a number': spokenFor(() => 1),
      'an object': spokenFor(() => ({ sub: 'node-a' })),
      'a list': spokenFor((sub) => [sub]),
      '2 kB': spokenFor(() => 'a'.repeat(2_000)),
      // Longer than any token may be.
      '10 kB': anyText(forging(A1('token_malformed'), withClaim('sub', 'a'.repeat(10_000)))),
      'a zero byte behind it': spokenFor((sub) => `${sub}\0`),
      'upper case': spokenFor((sub) => String(sub).toUpperCase()),
      'a line break and a line of its own': anyText(steps(A1('claim_invalid'), withLineBreak)),
    },
  },
  'GEN-20': {
    title: 'a claim that stands twice is read alike by everybody',
    source: 'RFC 7519 section 4; RFC 8725 section 2.8',
    variants: {
      'sub twice, another one last': lastOfTwo(forging(A1('claim_invalid'), twice('sub', 'evil'))),
      'cnf twice, another one last': forging(A1('cnf_x5t_mismatch'), twice('cnf', otherBinding)),
      // RFC 7519 section 4: a parser that does not refuse returns the last one only.
      'sub twice, the right one last': lastCounts('sub', 'evil'),
      'cnf twice, the right one last': lastCounts('cnf', otherBinding),
      'Sub beside sub': lastCounts('Sub', 'evil'),
    },
  },
})

/** How far times may be off that are not told is taken for not at all. */
function atTime(expect: Outcome, claimsAt: (now: number, skew: number) => Record<string, number>): Variant {
  return forging(expect, (lab) => withClaims(claimsAt(seconds(), lab.trust.skewSeconds)))
}

function forAudience(expect: Outcome, aud: (own: string) => unknown): Variant {
  return forging(expect, ({ site, target, trust: { audiences } }) => {
    const [own] = audiences
    if (own === undefined) throw new NotInPlan(site.site, `${target.name} has no audience`, [])
    return withClaim('aud', aud(own))
  })
}

/** Whom the token speaks for, in place of its subject. */
function spokenFor(sub: (own: unknown) => unknown): Variant {
  return anyText(forging(A1('claim_invalid'), { claims: (own) => ({ ...own, sub: sub(own.sub) }) }))
}

async function withLineBreak(lab: Lab) {
  const line = `injected-${seconds()}`
  const tap = await lab.site.tap(lab.target.node)
  const verdict = await lab.call(
    forged(lab, 'with a line break', { claims: (own) => ({ ...own, sub: `${own.sub}\r\n${line}` }) }),
  )
  lab.demand(!tap.logs().some((logged) => logged.startsWith(line)), 'its log holds a line that the token wrote')
  return verdict
}

/** The payload with a claim that stands twice: first what it was, then another value. */
function twice(name: string, value: unknown): Forgery {
  return {
    payloadText: (payload) => {
      const { [name]: own, ...rest } = JSON.parse(payload) as Record<string, unknown>
      const twins = [own, value].map((twin) => `${JSON.stringify(name)}:${JSON.stringify(twin)}`)
      return `{${twins.join(',')},${JSON.stringify(rest).slice(1)}`
    },
  }
}

/** The record must show what stands last. */
function lastCounts(name: string, value: unknown): Variant {
  const payloadText = (payload: string) => `{${JSON.stringify(name)}:${JSON.stringify(value)},${payload.slice(1)}`
  return steps(accepted(), async (lab) => {
    const verdict = await lab.call(forged(lab, `with ${name} before its twin`, { payloadText }))
    const { sub } = verdict.principal
    const isLast = sub === undefined || sub === verdict.credential.token?.claims.sub
    lab.demand(isLast, `its record names ${sub}, which does not stand last`)
    return verdict
  })
}
