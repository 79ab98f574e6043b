import { NotInPlan } from '../../site/site-files.ts'
import { nearMissesOf } from '../../tokens/near-misses.ts'
import { cases, leftOpen, nearly, steps, strictly, type Variant } from '../attack.ts'
import { type Forgery, forged, forging, withClaim, withoutClaim } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, A3, accepted, either, type Outcome, overlong } from '../outcome.ts'

/** A claim whose value is written as this text, whatever a JSON writer would make of it. */
const written = (name: string, text: string): Forgery => ({
  claims: (claims) => ({ ...claims, [name]: 'written later' }),
  payloadText: (payload) => payload.replace('"written later"', text),
})

const seconds = () => Math.floor(Date.now() / 1000)

const anyNumber = leftOpen('a NumericDate may be any number (RFC 7519 section 2)')
const numberAsText = leftOpen(
  'that it is a number binds who writes it: who reads one out of a text keeps the end (RFC 7519 section 4.1.4)',
)
const ageIsNoReason = leftOpen('iat tells the age of a token, and is no reason to refuse it (RFC 7519 section 4.1.6)')
const oneIsEnough = leftOpen(
  'one of several audiences is enough (RFC 7519 section 4.1.3), and only an issuer that is asked knows better',
)
const anyClient = leftOpen('a client and whom it speaks for need not have one name (RFC 9068 section 2.2)')
const anyText = leftOpen(
  'sub is text for the application (RFC 7519 section 4.1.2), and is not validated by RFC 9068 section 4',
)
const noLeeway = leftOpen('how much leeway there is, if any, is a server’s own matter (RFC 7519 section 4.1.4)')
const lastOfTwo = leftOpen('a parser may return the last of two (RFC 7519 section 4)')
const lastOrNone = either(accepted(), A1('claim_invalid', 'token_malformed'))
const otherBinding = { 'x5t#S256': 'A'.repeat(43) }

/** Claims that are missing, of a wrong kind, or out of time and place. */
export const claims = cases(['takes:bound-token'], {
  'GEN-16': {
    title: 'a token has an end, written as a time',
    follows: 'bound-token/not-expired',
    source: 'RFC 9068 section 2.2; RFC 7519 section 4.1.4',
    variants: {
      'no exp': forging(A1('claim_missing'), withoutClaim('exp')),
      'a text': numberAsText(forging(A1('claim_invalid'), withClaim('exp', '9999999999'))),
      'a text, of a time that is past': forging(A1('claim_invalid', 'token_expired'), withClaim('exp', '1000000000')),
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
    follows: 'bound-token/not-expired',
    source: 'RFC 7519 sections 4.1.4 to 4.1.6',
    variants: {
      'exp just past the skew': atTime(A1('token_expired'), (now, skew) => ({ exp: now - skew - 1 })),
      // Two seconds inside of it, so that the call itself may take one.
      'exp just within the skew': noLeeway(atTime(accepted(), (now, skew) => ({ exp: now - skew + 3 }))),
      'nbf just past the skew': atTime(A1('token_not_yet_valid'), (now, skew) => ({ nbf: now + skew + 3 })),
      'nbf just within the skew': noLeeway(atTime(accepted(), (now, skew) => ({ nbf: now + skew - 1 }))),
      'iat an hour ahead': ageIsNoReason(atTime(A1('token_iat_future'), (now) => ({ iat: now + 3_600 }))),
      'iat just within the skew': ageIsNoReason(atTime(accepted(), (now, skew) => ({ iat: now + skew - 1 }))),
    },
  },
  'GEN-18': {
    title: 'a token for somebody else is refused',
    follows: 'bound-token/audience',
    source: 'RFC 8725 section 3.9; RFC 9068 sections 4 and 5; RFC 7519 section 2',
    variants: {
      'no aud': forging(A1('claim_missing'), withoutClaim('aud')),
      'an empty text': forging(A1('claim_invalid'), withClaim('aud', '')),
      'an empty list': forging(A1('claim_invalid'), withClaim('aud', [])),
      'another one': forAudience(A1('audience_mismatch'), () => ['https://evil.test']),
      ...nearly(
        'aud',
        [...nearMissesOf.uri, 'beside another, with a comma between', 'in a list, with more behind it'],
        (made) => forAudience(A1('audience_mismatch'), made),
      ),
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
      '10 kB': anyText(forging(overlong(A1('token_malformed')), withClaim('sub', 'a'.repeat(10_000)))),
      'a zero byte behind it': spokenFor((sub) => `${sub}\0`),
      'upper case': spokenFor((sub) => String(sub).toUpperCase()),
      'a line break and a line of its own': anyText(steps(A1('claim_invalid'), withLineBreak)),
      ...nearly('client_id', nearMissesOf.word, (made) =>
        anyClient(
          forging(A1('claim_invalid'), { claims: (own) => ({ ...own, client_id: made(String(own.client_id)) }) }),
        ),
      ),
      ...nearly('sub', nearMissesOf.word, (made) => ({
        ...forging(either(A1('peer_unknown', 'claim_invalid'), A3('not_operator')), {
          claims: (own) => ({ ...own, sub: made(String(own.sub)), client_id: made(String(own.sub)) }),
        }),
        needs: ['takes:bound-token', 'checks:bound-token/caller-known'],
      })),
    },
  },
  'GEN-20': {
    title: 'a claim that stands twice is read alike by everybody',
    source: 'RFC 7519 section 4; RFC 8725 section 2.8',
    variants: {
      'sub twice, another one last': lastOfTwo(forging(A1('claim_invalid'), twice('sub', 'evil'))),
      // RFC 7519 section 4: a parser refuses, or returns the last one only.
      'cnf twice, another one last': strictly(
        A1('cnf_x5t_mismatch'),
        forging(A1('cnf_x5t_mismatch', 'claim_invalid', 'token_malformed'), twice('cnf', otherBinding)),
      ),
      'sub twice, the right one last': strictly(accepted(), lastCounts(lastOrNone, 'sub', 'evil')),
      'cnf twice, the right one last': strictly(accepted(), lastCounts(lastOrNone, 'cnf', otherBinding)),
      'Sub beside sub': lastCounts(accepted(), 'Sub', 'evil'),
    },
  },
})

/** How far times may be off that are not told is taken for not at all. A token that ended began as long before as it did. */
function atTime(expect: Outcome, claimsAt: (now: number, skew: number) => Record<string, number>): Variant {
  return forging(expect, ({ trust: { skewSeconds } }) => ({
    claims: (own) => {
      const { exp, iat } = own as Record<string, number>
      const times = claimsAt(seconds(), skewSeconds)
      return { ...own, ...(times.exp !== undefined && { iat: times.exp - (exp! - iat!) }), ...times }
    },
  }))
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
function lastCounts(expect: Outcome, name: string, value: unknown): Variant {
  const payloadText = (payload: string) => `{${JSON.stringify(name)}:${JSON.stringify(value)},${payload.slice(1)}`
  return steps(expect, async (lab) => {
    const verdict = await lab.call(forged(lab, `with ${name} before its twin`, { payloadText }))
    const { sub } = verdict.principal
    const isLast = sub === undefined || sub === verdict.credential.token?.claims.sub
    lab.demand(isLast, `its record names ${sub}, which does not stand last`)
    return verdict
  })
}
