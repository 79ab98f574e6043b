import type { IssuerScript } from '../../counterparts/issuer/scripted-issuer.ts'
import { endTokens } from '../../site/insider.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { nearMiss } from '../../tokens/near-misses.ts'
import { cases, leftOpen, nearly, steps, type Variant } from '../attack.ts'
import { anewClaims, forged } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, accepted, demanded, type Outcome, refused } from '../outcome.ts'
import { standIn } from '../stand-in.ts'

type BoundAnswer = { readonly cnf: { readonly 'x5t#S256': string } }

const mismatch = A1('introspection_mismatch')
const unavailable = refused(503, 'temporarily_unavailable', 'auth_unavailable')

const anyIssuer = leftOpen('an answer need not say who minted the token (RFC 7662 section 2.2)')

/** What a node makes of that which its auth server says of a token. */
export const introspection = cases(['introspection-client'], {
  'GEN-31': {
    title: 'an answer about a token is believed only where it fits the token',
    source: 'RFC 8705 section 3.2; RFC 7662 section 2.2',
    stage: 'scripted-issuer',
    variants: {
      'cnf of another certificate': answering(mismatch, (honest) => ({
        ...honest,
        cnf: { 'x5t#S256': nearMiss('with another last character', (honest as BoundAnswer).cnf['x5t#S256']) },
      })),
      'no cnf': answering(mismatch, ({ cnf: _, ...honest }) => honest),
      'cnf of another kind': answering(mismatch, (honest) => ({ ...honest, cnf: { jkt: 'A'.repeat(43) } })),
      'another sub': answering(mismatch, (honest) => ({
        ...honest,
        sub: nearMiss('with more behind it', String(honest.sub)),
      })),
      ...nearly('iss', ['without its last character', 'with a slash behind it', 'in another case'], (made) =>
        anyIssuer(answering(mismatch, (honest) => ({ ...honest, iss: made(String(honest.iss)) }))),
      ),
      'another aud': answering(mismatch, (honest) => ({
        ...honest,
        aud: nearMiss('with more behind it', String(honest.aud)),
      })),
      'active as a text': answering(mismatch, (honest) => ({ ...honest, active: 'true' })),
      'active as a number': answering(mismatch, (honest) => ({ ...honest, active: 1 })),
      'no active': answering(unavailable, ({ active: _, ...honest }) => honest),
      'active alone': answering(mismatch, () => ({ active: true })),
      'not active': answering(A1('token_inactive'), () => ({ active: false })),
      'not active, and all the rest': answering(A1('token_inactive'), (honest) => ({ ...honest, active: false })),
      'a page of HTML': scripted(unavailable, { type: 'text/html', body: '<html>active: true</html>' }),
      'JSON said to be HTML': scripted(unavailable, (_, honest) => ({ type: 'text/html', body: honest })),
      'a server error with the honest body': scripted(unavailable, (_, honest) => ({ status: 500, body: honest })),
      'a redirect': scripted(unavailable, { status: 302, headers: { location: 'https://evil.test/' } }),
      'half of the honest body': scripted(unavailable, (_, honest) => ({ body: JSON.stringify(honest).slice(0, -1) })),
      'a megabyte': scripted(unavailable, (_, honest) => ({
        body: { ...(honest as object), padding: 'x'.repeat(1_048_576) },
      })),
      'a list': scripted(unavailable, (_, honest) => ({ body: [honest] })),
      'a cut connection': scripted(unavailable, 'cut'),
      silence: scripted(unavailable, 'silence'),
    },
  },
  'GEN-32': {
    title: 'what was said of a token is not believed for longer than documented',
    source: 'RFC 7662 section 4; RFC 9700 section 4.10',
    needs: ['takes:bound-token', 'introspection-client'],
    variants: { 'revoked by its jti': steps(demanded('refused within the documented bound'), revoked) },
  },
})

function answering(expect: Outcome, change: (honest: Record<string, unknown>) => unknown): Variant {
  return scripted(expect, (_, honest) => ({ body: change(honest as Record<string, unknown>) }))
}

/** Another token than that of the control is shown: an answer is kept for a moment, by the token. */
function scripted(expect: Outcome, script: IssuerScript): Variant {
  return steps(expect, async (lab) => {
    const unseen = () => forged(lab, 'under another jti', { claims: anewClaims })
    const issuer = await standIn(lab)
    lab.judge(await lab.call(unseen()), accepted())
    issuer.script('introspection', script)
    return lab.call(unseen())
  })
}

/** How long an answer may be kept at most: what a node documents as its bound. */
const boundMs = 1_000

async function revoked(lab: Lab): Promise<void> {
  const credential = lab.anew()
  lab.judge(await lab.call(credential), accepted())
  const jti = inspectToken(await credential.token())?.jti
  await endTokens(lab.site.site, lab.issuer, 'revoke', { jti })
  const since = performance.now()
  let lastAccepted = since
  const probe = async () => {
    const began = performance.now()
    const verdict = await lab.call(credential)
    if (verdict.verdict === 'accepted') lastAccepted = began
    return verdict.verdict === 'refused' && verdict
  }
  const verdict = await lab.site.until('the revoked token is refused', probe, { withinMs: 5_000, everyMs: 25 })
  lab.judge(verdict, A1('token_inactive'))
  const bound = lab.site.bound(boundMs)
  const ms = lab.site.measured('a revoked token was accepted for', lastAccepted - since, bound)
  lab.demand(ms <= bound, `a revoked token was accepted for ${Math.round(ms)} ms`)
}
