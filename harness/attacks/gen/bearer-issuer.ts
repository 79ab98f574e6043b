import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import type { CallOptions } from '../../site/call.ts'
import type { Credential } from '../../site/credential.ts'
import type { Verdict } from '../../site/verdict.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { nearMissesOf } from '../../tokens/near-misses.ts'
import { holderOf } from '../../topology/holders.ts'
import type { PlanAccept } from '../../topology/plan.ts'
import { cases, nearly, steps, type Variant } from '../attack.ts'
import { mintedHere, otherThan, registered, requested, tokenStates } from '../auth-server.ts'
import { forgedToken, withClaim } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { accepted, demanded, E, type Outcome } from '../outcome.ts'

/** Who may ask an auth server about a token, or end one. */
export const issuerEndpoints = cases(['token-endpoint'], {
  'GEN-30': {
    title: 'whoever asks about a token proves who he is, and is told of tokens for himself only',
    source: 'RFC 7662 sections 2.1, 2.2 and 4',
    needs: ['introspection'],
    variants: {
      ...unauthenticated('token:introspect'),
      'a token for another audience': inactive(async (lab, own, token) => ({ asks: await onlooker(lab, own), token })),
      'a token that nobody minted': inactive(async (lab, asks, token) => {
        const key = await lab.site.signingKey(lab.target.node)
        return { asks, token: forgedToken(token, key, withClaim('jti', 'nobody')) }
      }),
      'a forged token': inactive(async (_, asks, token) => ({
        asks,
        token: forgedToken(token, undefined, { header: { alg: 'none' }, signature: () => '' }),
      })),
      garbage: inactive(async (_, asks) => ({ asks, token: 'garbage' })),
    },
  },
  'GEN-33': {
    title: 'a client ends its own tokens and no others',
    source: 'RFC 7009 section 2.1',
    needs: ['revocation'],
    variants: {
      ...unauthenticated('token:revoke'),
      'by another client': steps(demanded('200, and the token still works'), (lab) => revokedBy(lab, 'other')),
      'by its own client': steps(demanded('200, and the token works no more'), (lab) => revokedBy(lab, 'own')),
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
  'GEN-42': {
    title: 'a client, a resource and a scope are those that were registered, character by character',
    source: 'RFC 6749 sections 2.2 and 3.3; RFC 8707 section 2',
    variants: {
      ...nearly('client_id', nearMissesOf.word, (made) =>
        wanting(E('invalid_client', 'client_unknown'), ({ subject }) => ({ client_id: String(made(subject)) })),
      ),
      ...nearly('resource', nearMissesOf.uri, (made) =>
        wanting(E('invalid_target', 'target_invalid'), ({ resource }) => ({ resource: String(made(resource)) })),
      ),
      ...nearly(
        'scope',
        nearMissesOf.word.filter((name) => name !== 'with a blank behind it'),
        (made) =>
          wanting(E('invalid_scope', 'scope_invalid'), ({ scope: [first] }) => ({ scope: String(made(first!)) })),
      ),
    },
  },
})

/** What a client asks for, which it gets, and then the same with something else in it. */
function wanting(expect: Outcome, form: (own: PlanBoundToken) => Readonly<Record<string, string>>): Variant {
  return steps(expect, async (lab) => {
    const own = mintedHere(lab)
    const credential = lab.credential(own.boundTo)
    lab.judge(await requested(lab, credential), accepted())
    return requested(lab, credential, form(own))
  })
}

function acceptOf({ plan }: Lab, { name }: PlanBoundToken): PlanAccept | undefined {
  return plan.accepts.find(({ credential }) => credential === name)
}

type Clients = ReturnType<typeof twoClients>

/** Two clients of the auth server, by their tokens: the first is accepted somewhere. @throws AttackWorks */
function twoClients(lab: Lab) {
  const { node } = lab.target
  const isAccepted = (token: PlanBoundToken) => token.issuer === node && acceptOf(lab, token) !== undefined
  const own = lab.tokenWhere(isAccepted, `no token of ${node} is accepted anywhere`)
  return { own, other: otherThan(lab, own) }
}

interface Otherwise {
  form?: (clients: Clients) => Readonly<Record<string, string>>
  made?: (own: Credential) => Credential
}

/** Ways of not being the client that one names. */
function unauthenticated(action: 'token:introspect' | 'token:revoke'): Record<string, Variant> {
  const variant = ({ form = () => ({}), made }: Otherwise, ...reasons: readonly string[]): Variant =>
    steps(E('invalid_client', ...reasons), async (lab) => {
      const clients = twoClients(lab)
      // One that may be asked about and ended without harm: nobody minted it.
      const key = await lab.site.signingKey(lab.target.node)
      const token = forgedToken(await lab.credential(clients.own.name).token(), key, withClaim('jti', 'of-nobody'))
      lab.judge(await ask(lab, action, clients.own, token), accepted())
      return ask(lab, action, clients.own, token, form(clients), made)
    })
  return {
    'without a certificate': variant({ made: (own) => own.withoutCertificate() }, 'cert_missing'),
    'in the name of another': variant(
      { form: ({ other }) => ({ client_id: other.subject }) },
      'anchor_mismatch',
      'san_mismatch',
    ),
    'in the name of nobody': variant({ form: () => ({ client_id: 'nobody' }) }, 'client_unknown'),
    'with a secret': variant({ form: () => ({ client_secret: 'secret' }) }, 'method_not_allowed'),
  }
}

function ask(
  lab: Lab,
  action: string,
  client: PlanBoundToken,
  token: string,
  form: Readonly<Record<string, string>> = {},
  made: (own: Credential) => Credential = (own) => own,
): Promise<Verdict> {
  const options: CallOptions = { form: { client_id: client.subject, token, ...form } }
  return lab.callAt({ from: holderOf(client), action }, made(lab.credential(client.boundTo)), options)
}

/** A client with the certificate of another one that may ask about tokens for nobody who is there. */
async function onlooker(lab: Lab, client: PlanBoundToken): Promise<PlanBoundToken> {
  const { host, domain } = lab.plan.nodes[holderOf(client)]!
  const names = { client_id: 'onlooker', method: 'tls_client_auth', sanDns: host, trustDomain: domain }
  await registered(lab, { ...names, grants: [], introspects: ['https://nobody.test'] })
  return { ...client, subject: names.client_id }
}

/** Answered, but as if there were no such token; and the client who may know is told of a token of his. */
function inactive(
  asked: (lab: Lab, own: PlanBoundToken, token: string) => Promise<{ asks: PlanBoundToken; token: string }>,
): Variant {
  return steps(demanded('200 {"active":false}, and nothing else'), async (lab) => {
    const own = whoValidates(lab)
    const good = await lab.credential(own.name).token()
    const known = await ask(lab, 'token:introspect', own, good)
    lab.judge(known, accepted())
    lab.demand((known.json as { active?: unknown }).active === true, 'a client is not told of a token for himself')
    const { asks, token } = await asked(lab, own, good)
    const verdict = await ask(lab, 'token:introspect', asks, token)
    lab.judge(verdict, accepted())
    const members = Object.keys((verdict.json as object | undefined) ?? {}).join(', ')
    lab.demand(verdict.body === '{"active":false}', `the answer tells more: members ${members}`)
  })
}

/** The client that is asked about tokens first: one that validates tokens here. */
function whoValidates(lab: Lab): PlanBoundToken {
  const { own, other } = twoClients(lab)
  const isForItself = (token: PlanBoundToken) => holderOf(token) === acceptOf(lab, token)?.target
  return isForItself(own) || !isForItself(other) ? own : other
}

async function revokedBy(lab: Lab, who: keyof Clients): Promise<void> {
  const clients = twoClients(lab)
  const { target: node, action } = acceptOf(lab, clients.own)!
  const fresh = lab.anew(clients.own.name)
  const use = () => lab.callAt({ from: holderOf(clients.own), node, action }, fresh)
  lab.judge(await use(), accepted())
  lab.judge(await ask(lab, 'token:revoke', clients[who], await fresh.token()), accepted())
  const { jti } = inspectToken(await fresh.token()) ?? {}
  const isActive = (await tokenStates(lab, clients.own.subject)).get(String(jti)) === 'active'
  if (who === 'own') return lab.demand(!isActive, 'a revoked token is still active')
  lab.demand(isActive, "another client's revocation ended the token")
  lab.judge(await use(), accepted())
}
