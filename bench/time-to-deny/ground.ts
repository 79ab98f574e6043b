import type { Site } from '../../harness/backends/backend.ts'
import { issueLeaf, type SigningAuthority } from '../../harness/pki/authority.ts'
import { type Identity, thumbprintS256 } from '../../harness/pki/certificate.ts'
import type { Endpoint } from '../../harness/protocols/endpoint.ts'
import { type Answer, exchange } from '../../harness/protocols/http/exchange.ts'
import type { Session } from '../../harness/protocols/session.ts'
import { type UpgradeAnswer, upgrade } from '../../harness/protocols/websocket/web-socket.ts'
import { callParts } from '../../harness/shipped.ts'
import type { OperatorClient } from '../../harness/site/operator-client.ts'
import { ScenarioSite, SharedKnowledge } from '../../harness/site/scenario-site.ts'
import { anchorOf, endpointOf } from '../../harness/site/site-files.ts'
import { inspectToken } from '../../harness/tokens/inspect.ts'
import { benchSite } from '../site.ts'

/** A peer of the node under test that exists for one event: with a name, a certificate, a SAN and a token of its own. */
export interface Holder {
  readonly name: string
  readonly identity: Identity
  readonly x5t: string
  /** A name that no other certificate has. */
  readonly san: string
  readonly token: string
  readonly jti: string
}

/** A site of two organisations: holders of the one open sessions at the node of the other. */
export interface DenyGround extends AsyncDisposable {
  readonly site: Site
  /** The auth server that minted the tokens, and the node that is asked to deny. */
  readonly auth: OperatorClient
  readonly node: OperatorClient
  holder(life?: Life): Promise<Holder>
  /** Takes it away again, whatever is left of it: a node with ever more peers would be another one with each event. */
  dismiss(holder: Holder): Promise<void>
  /** Asks for a session. */
  connect(holder: Holder): Promise<UpgradeAnswer>
  /** A live session, opened by both sides. */
  live(holder: Holder): Promise<Session>
}

/** When what a holder has ends. Default: long after the measure. */
export interface Life {
  /** Of its certificate. */
  readonly notAfter?: Date
  /** Of its token, in seconds. */
  readonly expiresIn?: number
}

export const AUTH = 'auth-a'
export const NODE = 'node-a'
const PEER = 'node-b'
const PEER_DOMAIN = 'org-b'
const RESOURCE = 'https://node-a.somebiz.local.io'
/** Nobody listens there: the node under test is to accept from these peers, and not to reach them. */
const NO_PORT = 9

export async function openGround(set: Record<string, string> = {}): Promise<DenyGround> {
  const site = await benchSite('separate-auth', { certificateLifetime: '2h', ...set })
  try {
    const scenario = await scenarioSite(site)
    const [authority, ownAnchor, { token: toPeer = '' }] = await Promise.all([
      scenario.authority('ca-b'),
      anchorOf(site, 'org-a'),
      scenario.held('peer-a-to-b'),
    ])
    const at = (node: string, port: number, identity: Identity): Endpoint => ({
      ...endpointOf(site, `https://${site.node(node).host}:${port}`, { from: PEER, anchorPem: ownAnchor }),
      identity,
    })
    const [auth, node] = [scenario.operator(AUTH), scenario.operator(NODE)]
    const connect = ({ identity, token }: Holder): Promise<UpgradeAnswer> =>
      upgrade(at(NODE, 9443, identity), {
        path: '/v1/peering',
        protocol: 'holdfast-peering.v1',
        headers: [['Authorization', `Bearer ${token}`]],
        first: { type: 'open' },
      })
    let made = 0
    return {
      site,
      auth,
      node,
      connect,
      async holder({ notAfter = new Date(Date.now() + 3_600_000), expiresIn } = {}) {
        made += 1
        const name = `holder-${made}`
        const identity = await identityFor(name, authority, site.node(PEER).host, notAfter)
        await register(auth, name)
        expectStatus(await prove(at(AUTH, 8444, identity), name), 200, `proving ${name}`)
        const x5t = thumbprintS256(identity.certPem)
        const order = { clientId: name, resource: RESOURCE, expiresIn, 'x5t#S256': x5t }
        const minted = expectStatus(await auth.post('/operator/v1/tokens', order), 201, `minting for ${name}`)
        const { access_token: token } = minted.json as { access_token: string }
        await introduce(node, name, site.node(PEER).host, toPeer)
        return { name, identity, x5t, san: sanOf(name), token, jti: inspectToken(token)?.jti ?? '' }
      },
      async dismiss({ name }) {
        const { status } = await node.delete(`/v1/peers/${name}`)
        if (status !== 204 && status !== 404) throw new Error(`taking away ${name}: ${status}`)
      },
      async live(holder) {
        const { session, status } = await connect(holder)
        if (session === undefined) throw new Error(`${holder.name} was not admitted: ${status}`)
        const own = crypto.randomUUID()
        session.send({ type: 'open', version: 1, node: holder.name, holdTimeMs: 600_000, session: own })
        return session
      },
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    }
  } catch (failure) {
    await site[Symbol.asyncDispose]()
    throw failure
  }
}

async function scenarioSite(site: Site): Promise<ScenarioSite> {
  const name = { name: 'time-to-deny', again: 'npm run bench -- time-to-deny' }
  return new ScenarioSite(site, name, new SharedKnowledge(), await callParts())
}

function sanOf(name: string): string {
  return `${name}.deny.test`
}

async function identityFor(name: string, authority: SigningAuthority, host: string, notAfter: Date): Promise<Identity> {
  return issueLeaf({ authority, subject: name, sans: [host, sanOf(name)], notAfter })
}

/** The client may be made anew after it was deleted. */
async function register(auth: OperatorClient, name: string): Promise<void> {
  const grant = { resource: RESOURCE, aud: [RESOURCE], use: 'peer', scopes: ['peer:connect', 'peer:announce'] }
  const registration = {
    ...{ client_id: name, method: 'tls_client_auth', sanDns: sanOf(name), trustDomain: PEER_DOMAIN, introspects: [] },
    grants: [{ ...grant, trustedDomains: [], maxTtlSeconds: 3_600 }],
  }
  expectStatus(await auth.put(`/operator/v1/clients/${name}`, registration), 201, `registering ${name}`)
}

function prove(endpoint: Endpoint, name: string): Promise<Answer> {
  const headers = [['Content-Type', 'application/json'] as const]
  const body = JSON.stringify({ client_id: name })
  return exchange(endpoint, { method: 'PUT', path: '/holders/self', headers, body })
}

async function introduce(node: OperatorClient, name: string, host: string, peerToken: string): Promise<void> {
  const peer = { name, endpoint: `wss://${host}:${NO_PORT}`, domains: [], trustDomain: PEER_DOMAIN, peerToken }
  expectStatus(await node.post('/v1/peers', peer), 201, `making a peer of ${name}`)
}

/** The same answer, or an error that says which step failed. */
export function expectStatus<Given extends { status: number | null; body: string }>(
  answer: Given,
  status: number,
  what: string,
): Given {
  if (answer.status === status) return answer
  throw new Error(`${what}: ${answer.status} instead of ${status}: ${answer.body.slice(0, 200)}`)
}
