import { EnrolmentRefused, signAtCa } from '../../agent/enrol.ts'
import { enrolmentOf } from '../../credentials/certificate/planned.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import { newRequest } from '../../pki/request.ts'
import { caOf } from '../../site/live-site.ts'
import type { ClaimsMutation } from '../../tokens/forge.ts'
import type { Enrol } from '../../topology/plan.ts'
import { cases, nearly, presenting, steps, type Variant } from '../attack.ts'
import { mintedHere, requested } from '../auth-server.ts'
import { forging } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, accepted, demanded, E, type Outcome } from '../outcome.ts'

const typ = A1('typ_invalid')
/** A media type is one in any case (RFC 7515 section 4.1.9). */
const typNames = [
  ...['without its last character', 'with another last character', 'with more before it', 'with more behind it'],
  'with a NUL and more behind it',
] as const

/** One key may sign many kinds of tokens: each is what it is. */
export const kinds = cases(['takes:bound-token'], {
  'GEN-14': {
    title: 'a token of another kind is no access token, nor the other way about',
    source: 'RFC 8725 sections 3.11 and 3.12; RFC 9068 section 4',
    variants: {
      'an ID token': ofKind(typ, 'JWT', ({ iss, sub, client_id, exp, iat }) => ({
        ...{ iss, sub, aud: client_id, exp, iat, nonce: 'n', auth_time: iat },
      })),
      'an ID token that is said to be an access token': ofKind(
        A1('claim_missing'),
        'at+jwt',
        ({ iss, sub, aud, exp, iat, jti, cnf }) => ({ iss, sub, aud, exp, iat, jti, cnf, nonce: 'n' }),
      ),
      // #region variant
      'a client assertion': ofKind(typ, 'client-authentication+jwt'),
      'an enrolment token': ofKind(typ, 'JWT', (claims) => ({ ...claims, sans: [claims.sub], step: {} })),
      // #endregion variant
      'a logout token': ofKind(typ, 'logout+jwt', (claims) => ({
        ...claims,
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      })),
      'an introspection answer': ofKind(typ, 'token-introspection+jwt', (claims) => ({
        ...claims,
        token_introspection: { active: true, ...claims },
      })),
      'a security event': ofKind(typ, 'secevent+jwt'),
      'a proof of possession': ofKind(typ, 'dpop+jwt'),
      'no typ at all': ofKind(typ, undefined),
      'typ as a list': ofKind(typ, ['at+jwt']),
      'typ with a blank': ofKind(typ, 'at+jwt '),
      ...nearly('typ', typNames, (made) => ofKind(typ, made('at+jwt'))),
      'a one-time token of the CA': presenting(typ, async (good, lab) =>
        good.withToken((await oneTimeToken(lab)).ott, 'with a one-time token of the CA'),
      ),
      'as client assertion': atTokenEndpoint(E('invalid_client', 'method_not_allowed'), (token) => ({
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: token,
      })),
      'as client secret': atTokenEndpoint(E('invalid_client', 'method_not_allowed'), (token) => ({
        client_secret: token,
      })),
      'as assertion of a grant': atTokenEndpoint(E('unsupported_grant_type', 'grant_unsupported'), (token) => ({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: token,
      })),
      'as refresh token': atTokenEndpoint(E('unsupported_grant_type', 'grant_unsupported'), (token) => ({
        grant_type: 'refresh_token',
        refresh_token: token,
      })),
      'as subject of an exchange': atTokenEndpoint(E('unsupported_grant_type', 'grant_unsupported'), (token) => ({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      })),
      'as one-time token of the CA': steps(demanded('401 of the CA'), asOneTimeToken),
    },
  },
})

function ofKind(expect: Outcome, kind: unknown, claims: ClaimsMutation = (own) => own): Variant {
  return forging(expect, { header: { typ: kind }, claims })
}

/** The access token in another role, beside what the endpoint really wants. */
function atTokenEndpoint(expect: Outcome, role: (token: string) => Record<string, string>): Variant {
  return {
    expect,
    needs: ['token-endpoint'],
    attack: async (lab) => {
      const { name, boundTo } = mintedHere(lab)
      const certificate = lab.credential(boundTo)
      lab.judge(await requested(lab, certificate), accepted())
      return requested(lab, certificate, role(await lab.credential(name).token()))
    },
  }
}

async function oneTimeToken(lab: Lab): Promise<{ csrPem: string; ott: string; enrol: Enrol }> {
  // A certificate that the caller's CA signs, and how it is asked for.
  const { boundTo } = credentialOf(lab.plan, 'bound-token', lab.target.credential)
  const enrol = enrolmentOf(credentialOf(lab.plan, 'certificate', boundTo))
  const { csrPem, x5rt } = await newRequest(enrol)
  const { url, provisioner, subject, sans } = enrol
  const ott = await lab.site.site.oneTimeToken(enrol.ca, { url, provisioner, subject, sans, x5rt })
  return { csrPem, ott, enrol }
}

async function asOneTimeToken(lab: Lab): Promise<void> {
  const { csrPem, ott, enrol } = await oneTimeToken(lab)
  const { lifetimeSeconds } = enrol
  const request = { ...(await caOf(lab.site.site, enrol, lab.target.from)), csrPem, lifetimeSeconds }
  const refusal = await signAtCa({ ...request, ott: await lab.good().token() }).catch((failure: unknown) => failure)
  lab.demand(refusal instanceof EnrolmentRefused, 'its CA takes an access token for a one-time token')
  lab.demand((refusal as EnrolmentRefused).status === 401, `its CA answered ${(refusal as EnrolmentRefused).status}`)
  const { certPem } = await signAtCa({ ...request, ott })
  lab.demand(certPem.includes('BEGIN CERTIFICATE'), 'its CA signs nothing for its own one-time token either')
}
