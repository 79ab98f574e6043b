import type { JWK } from 'jose'
import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { credentialsOf } from '../../credentials/of-kind.ts'
import type { Verdict } from '../../site/verdict.ts'
import { type Claims, inspectToken } from '../../tokens/inspect.ts'
import { cases, leftOpen, presenting, steps, type Variant } from '../attack.ts'
import { forging, luring, newKey, withClaim, withClaims } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, accepted, type Outcome } from '../outcome.ts'
import { outgoingOf } from './outgoing.ts'

const fiveMinutes = 300
const ageIsNoReason = leftOpen('iat tells the age of a token, and is no reason to refuse it (RFC 7519 section 4.1.6)')

/** Who minted a token, and for whom, is known from the configuration. */
export const issuers = cases(['takes:bound-token'], {
  'PEER-05': {
    title: 'a token of another issuer is refused, and that issuer is not asked',
    follows: 'bound-token/issuer',
    source: 'RFC 9068 section 4',
    needs: ['takes:bound-token', 'two-issuers'],
    variants: { "the caller's token of the other issuer": steps(A1('issuer_untrusted'), ofOtherIssuer) },
  },
  'PEER-06': {
    title: 'a peer token points one way',
    source: 'RFC 8725 sections 3.8 and 3.9',
    needs: ['takes:bound-token', 'speaks:websocket', 'two-issuers'],
    variants: {
      'what the target itself presents elsewhere': presenting(A1('issuer_untrusted'), (good, lab) =>
        good.withTokenOf(lab.credential(outgoingOf(lab).name)),
      ),
    },
  },
  'PEER-09': {
    title: "a token under the issuer's name and key id is refused when somebody else signed it",
    follows: 'bound-token/signature',
    source: 'RFC 8725 section 3.8',
    variants: {
      "signed by a stranger's key": forging(A1('signature_invalid'), async (lab) => ({ key: await strangersKey(lab) })),
      "signed by the other issuer's key": {
        ...forging(A1('signature_invalid'), async (lab) => ({
          key: await lab.site.signingKey(tokenOfOtherIssuer(lab).issuer),
        })),
        needs: ['takes:bound-token', 'two-issuers'],
      },
    },
  },
  'PEER-10': {
    title: 'nobody asks an issuer that a token names, whatever it serves',
    follows: 'bound-token/issuer',
    source: 'CVE-2025-30144; RFC 8725 section 3.10',
    variants: {
      'iss is a stranger with a key set': namingStranger(A1('issuer_untrusted'), (url) => url),
      'iss is a list of both': namingStranger(A1('issuer_untrusted', 'claim_invalid'), (url, own) => [url, own]),
      'iss goes on after the right one': namingStranger(
        A1('issuer_untrusted'),
        (url, own) => `${own}@${new URL(url).host}`,
      ),
    },
  },
  'PEER-27': {
    title: 'a token for one node is refused by the next, though both believe its issuer',
    follows: 'bound-token/audience',
    source: 'RFC 9700 section 4.10.2',
    variants: {
      'for another node': forging(A1('audience_mismatch'), ({ target }) =>
        withClaim('aud', `https://other-${target.host}`),
      ),
    },
  },
  'PEER-30': {
    title: 'a clock that is five minutes apart is named as the reason',
    source: 'RFC 7519 section 4.1',
    variants: {
      'issued in the future': ageIsNoReason(timed('token_iat_future', { iat: fiveMinutes, exp: 2 * fiveMinutes })),
      'not to be used yet': timed('token_not_yet_valid', { iat: 0, nbf: fiveMinutes, exp: 2 * fiveMinutes }),
      'ended in the past': timed('token_expired', { iat: -2 * fiveMinutes, exp: -fiveMinutes }),
      'the issuer is ahead': ageIsNoReason({
        expect: A1('token_iat_future'),
        needs: ['takes:bound-token', 'movable-clock'],
        untried:
          'the clocks of an attacked site stand still; the scenario `clocks-apart-are-told-from-forgery` moves them, and shows the same refusal',
        attack: whileIssuerIsAhead,
      }),
    },
  },
})

/** Times in s from now, beside what the target allows. */
function timed(reason: string, times: Readonly<Record<string, number>>): Variant {
  return forging(A1(reason), ({ trust: { skewSeconds } }) => {
    const now = Math.floor(Date.now() / 1000)
    const at = ([name, off]: [string, number]) => [name, now + off + Math.sign(off) * skewSeconds] as const
    return withClaims(Object.fromEntries(Object.entries(times).map(at)))
  })
}

async function whileIssuerIsAhead(lab: Lab): Promise<Verdict> {
  const clock = lab.site.clock(lab.issuer)
  lab.judge(await lab.call(), accepted())
  await clock.shift(fiveMinutes)
  try {
    return await lab.call(lab.anew())
  } finally {
    await clock.shift(-fiveMinutes)
  }
}

function namingStranger(expect: Outcome, iss: (stranger: string, own: string) => unknown): Variant {
  const claims = (stranger: string) => (own: Claims) => ({ ...own, iss: iss(stranger, String(own.iss)) })
  return steps(expect, async (lab) => luring(lab, await strangersKey(lab), (url) => ({ claims: claims(url) })))
}

async function ofOtherIssuer(lab: Lab): Promise<Verdict> {
  const { name, issuer } = tokenOfOtherIssuer(lab)
  // Its holder is proven there first, from the very address that is watched.
  const jti = inspectToken(await lab.credential(name).token())?.jti
  const asked = await lab.site.tap(issuer)
  const verdict = await lab.call(lab.good().withTokenOf(lab.credential(name)))
  const { address } = lab.site.node(lab.target.node)
  // Where live sessions are asked about, the records name their jti.
  const calls = (await asked.decisions()).filter(
    ({ conn, principal }) => conn.startsWith(`${address}:`) && (!principal.jti || principal.jti === jti),
  )
  lab.demand(calls.length === 0, `it asked ${calls.length} times at the issuer that it does not believe`)
  return verdict
}

/** A token of an issuer that the target does not believe: one that the caller holds, if there is any. */
function tokenOfOtherIssuer(lab: Lab): PlanBoundToken {
  const isOther = ({ issuer }: PlanBoundToken) => issuer !== lab.issuer
  const held = credentialsOf(lab.plan, 'bound-token').filter(({ holders }) => holders.includes(lab.target.from))
  return held.find(isOther) ?? lab.tokenWhere(isOther, 'no other issuer of the plan mints any token')
}

/** A new key for the algorithm that the issuer signs with. */
async function strangersKey(lab: Lab): Promise<JWK> {
  const { alg } = await lab.signingKey()
  return newKey(alg)
}
