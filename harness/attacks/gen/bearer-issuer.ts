import type { CallOptions } from '../../site/call.ts'
import type { Verdict } from '../../site/verdict.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { holderOf } from '../../topology/holders.ts'
import { cases, type Variant } from '../attack.ts'
import { forgedToken } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { accepted, demanded, E } from '../outcome.ts'
import { type ClientToken, twoClients } from './clients-of.ts'

/** Who may ask an auth server about a token, or end one. */
export const issuerEndpoints = cases(['token-endpoint'], {
  'GEN-30': {
    title: 'whoever asks about a token proves who he is, and is told of tokens for himself only',
    source: 'RFC 7662 sections 2.1, 2.2 and 4',
    needs: ['introspection'],
    variants: {
      ...unauthenticated('token:introspect'),
      'a token for another audience': inactive(async (lab, { own }) => ({
        asks: await onlooker(lab, own),
        token: await lab.credential(own.credential.name).token(),
      })),
      'a token that nobody minted': inactive(async (lab, { own }) => {
        const token = await lab.credential(own.credential.name).token()
        const key = await lab.site.signingKey(lab.target.node)
        return { asks: own, token: forgedToken(token, key, { claims: (claims) => ({ ...claims, jti: 'nobody' }) }) }
      }),
      'a forged token': inactive(async (lab, { own }) => {
        const token = await lab.credential(own.credential.name).token()
        const unsigned = forgedToken(token, undefined, { header: { alg: 'none' }, signature: () => '' })
        return { asks: own, token: unsigned }
      }),
      garbage: inactive(async (_, { own }) => ({ asks: own, token: 'garbage' })),
    },
  },
  'GEN-33': {
    title: 'a client ends its own tokens and no others',
    source: 'RFC 7009 section 2.1',
    needs: ['revocation'],
    variants: {
      ...unauthenticated('token:revoke'),
      'by another client': { expect: demanded('200, and the token still works'), attack: revokedByAnother },
      'by its own client': { expect: demanded('200, and the token works no more'), attack: revokedByItsOwn },
    },
  },
  'GEN-34': {
    title: 'a token that is exchanged keeps its binding',
    source: 'RFC 8693 sections 2.1 and 2.2.2; RFC 8705 section 3',
    notHere: 'no auth server offers token exchange: client credentials are the only grant',
  },
  'GEN-35': {
    title: 'a proof of possession is one of this request',
    source: 'RFC 9449 sections 4.3 and 7',
    needs: ['takes:bound-token'],
    notHere: 'nobody offers DPoP beside certificates: a token is bound to a certificate, and its scheme is Bearer',
  },
  'GEN-36': {
    title: 'a refresh token works for its client, and once',
    source: 'RFC 8705 sections 4 and 7.1; RFC 9700 section 4.14',
    notHere: 'no auth server issues refresh tokens',
  },
})

type Clients = ReturnType<typeof twoClients>

/** Ways of not being the client that one names. */
function unauthenticated(action: 'token:introspect' | 'token:revoke'): Record<string, Variant> {
  const variant = (reasons: readonly string[], attempt: (lab: Lab, clients: Clients) => Promise<Verdict>): Variant => ({
    expect: E('invalid_client', ...reasons),
    attack: async (lab) => {
      const clients = twoClients(lab)
      lab.judge(await ask(lab, action, clients.own, await someToken(lab, clients.own)), accepted())
      return attempt(lab, clients)
    },
  })
  return {
    'without a certificate': variant(['cert_missing'], async (lab, { own }) =>
      ask(lab, action, own, await someToken(lab, own), {}, (credential) => credential.withoutCertificate()),
    ),
    'in the name of another': variant(['anchor_mismatch', 'san_mismatch'], async (lab, { own, other }) =>
      ask(lab, action, own, await someToken(lab, own), { client_id: other.credential.subject }),
    ),
    'in the name of nobody': variant(['client_unknown'], async (lab, { own }) =>
      ask(lab, action, own, await someToken(lab, own), { client_id: 'nobody' }),
    ),
    'with a secret': variant(['method_not_allowed'], async (lab, { own }) =>
      ask(lab, action, own, await someToken(lab, own), { client_secret: 'secret' }),
    ),
  }
}

/** A token that may be asked about and ended without harm: nobody minted it. */
async function someToken(lab: Lab, { credential }: ClientToken): Promise<string> {
  const key = await lab.site.signingKey(lab.target.node)
  const claims = (own: object) => ({ ...own, jti: 'of-nobody' })
  return forgedToken(await lab.credential(credential.name).token(), key, { claims })
}

async function ask(
  lab: Lab,
  action: string,
  { credential }: ClientToken,
  token: string,
  form: Readonly<Record<string, string>> = {},
  presenting: (own: ReturnType<Lab['credential']>) => ReturnType<Lab['credential']> = (own) => own,
): Promise<Verdict> {
  const from = holderOf(credential)
  const certificate = lab.credential(credential.boundTo)
  const options: CallOptions = { form: { client_id: credential.subject, token, ...form } }
  return lab.callAt({ from, action }, presenting(certificate), options)
}

/** A client with the certificate of another one that may ask about tokens for nobody who is there. */
async function onlooker(lab: Lab, { credential, accepted: at }: ClientToken): Promise<ClientToken> {
  const { host, domain } = lab.plan.nodes[holderOf(credential)]!
  const client_id = 'onlooker'
  const registration = {
    ...{ client_id, method: 'tls_client_auth', sanDns: host, trustDomain: domain, grants: [] },
    introspects: ['https://nobody.test'],
  }
  const { status, body } = await lab.site
    .operator(lab.target.node)
    .put(`/operator/v1/clients/${client_id}`, registration)
  lab.demand(status === 201 || status === 200, `the operator could register nobody: ${status} ${body}`)
  return { credential: { ...credential, subject: client_id }, accepted: at }
}

/** Answered, but as if there were no such token; and the client who may know is told of a token of his. */
function inactive(asked: (lab: Lab, clients: Clients) => Promise<{ asks: ClientToken; token: string }>): Variant {
  return {
    expect: demanded('200 {"active":false}, and nothing else'),
    attack: async (lab) => {
      const clients = audienceFirst(lab)
      const known = await ask(lab, 'token:introspect', clients.own, await tokenFor(lab, clients.own))
      lab.judge(known, accepted())
      lab.demand((known.json as { active?: unknown }).active === true, 'a client is not told of a token for himself')
      const { asks, token } = await asked(lab, clients)
      const verdict = await ask(lab, 'token:introspect', asks, token)
      lab.judge(verdict, accepted())
      lab.demand(verdict.body === '{"active":false}', `the answer tells more: members ${membersOf(verdict)}`)
    },
  }
}

/** The client that is asked about tokens first: one that validates tokens here. */
function audienceFirst(lab: Lab): Clients {
  const { own, other } = twoClients(lab)
  const isForItself = ({ credential, accepted: { node } }: ClientToken) => holderOf(credential) === node
  return isForItself(own) || !isForItself(other) ? { own, other } : { own: other, other: own }
}

function tokenFor(lab: Lab, { credential }: ClientToken): Promise<string> {
  return lab.credential(credential.name).token()
}

function membersOf({ json }: Verdict): string {
  return Object.keys((json as object | undefined) ?? {}).join(', ')
}

async function revokedByAnother(lab: Lab): Promise<void> {
  const { own, other } = twoClients(lab)
  const fresh = lab.anew(own.credential.name)
  const use = () => lab.callAt({ ...own.accepted, from: holderOf(own.credential) }, fresh)
  lab.judge(await use(), accepted())
  lab.judge(await ask(lab, 'token:revoke', other, await fresh.token()), accepted())
  lab.demand(await isActive(lab, own, await fresh.token()), "another client's revocation ended the token")
  lab.judge(await use(), accepted())
}

async function revokedByItsOwn(lab: Lab): Promise<void> {
  const { own } = twoClients(lab)
  const fresh = lab.anew(own.credential.name)
  lab.judge(await lab.callAt({ ...own.accepted, from: holderOf(own.credential) }, fresh), accepted())
  lab.judge(await ask(lab, 'token:revoke', own, await fresh.token()), accepted())
  lab.demand(!(await isActive(lab, own, await fresh.token())), 'a revoked token is still active')
}

/** As the operator sees it. */
async function isActive(lab: Lab, { credential }: ClientToken, token: string): Promise<boolean> {
  const { jti } = inspectToken(token) ?? {}
  const path = `/operator/v1/tokens?limit=1000&subject=${credential.subject}&state=active`
  const { json } = await lab.site.operator(lab.target.node).get(path)
  const { tokens = [] } = (json ?? {}) as { tokens?: readonly { jti: string }[] }
  return tokens.some((one) => one.jti === jti)
}
