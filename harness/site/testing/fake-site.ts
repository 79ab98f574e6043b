import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Site, SiteNode } from '../../backends/backend.ts'
import { KnownSecrets } from '../../credentials/known-secrets.ts'
import type { DecisionRecord } from '../../evidence/decision.ts'
import { issueLeaf, rogueAuthority, type SigningAuthority } from '../../pki/authority.ts'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { localSeat } from '../../protocols/seat.ts'
import { callParts } from '../../shipped.ts'
import { signToken } from '../../tokens/forge.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { anchorPath } from '../../topology/paths.ts'
import type { Plan, PlanCredential, PlanNode, PlanUnit } from '../../topology/plan.ts'
import { Credential } from '../credential.ts'
import { ScenarioSite, SharedKnowledge } from '../scenario-site.ts'

/** Ways in which the fake target can be wrong: each breaks one thing that a check must notice. */
export interface Flaws {
  acceptsAll?: boolean
  refusesAll?: boolean
  /** Refuses without a record. */
  silent?: boolean
  /** Counts refused calls where an operator can see it. */
  effect?: boolean
  /** Logs the token. */
  leak?: boolean
  /** Answers with a stack trace and the thumbprint that it wanted. */
  oracle?: boolean
  /** Names no certificate, another one than the presented one, or no token as proven. */
  namesNobody?: boolean
  liesAboutPrincipal?: boolean
  namesNoToken?: boolean
  /** Refuses with 401 and no challenge, or says `error="invalid_token"` where nothing was presented. */
  noChallenge?: boolean
  wrongChallenge?: boolean
  /** Writes down a verdict that is none. */
  perhaps?: boolean
  /** Ends each connection after its answer. */
  closes?: boolean
  /** Answers with a part of the token. */
  echo?: boolean
  /** Counts nothing that an operator could see. */
  unobservable?: boolean
  /** Refuses as an OAuth endpoint does, with this `Cache-Control`. */
  asEndpoint?: string
}

export type FakeSite = Awaited<ReturnType<typeof fakeSite>>
export type FakeScenario = Awaited<ReturnType<typeof fakeScenario>>

const offers: Pick<PlanUnit, 'actions' | 'observe' | 'insider'> = {
  actions: {
    'b:read': {
      summary: 'reads',
      listener: 'local',
      carrier: 'bearer',
      request: { http: { method: 'GET', path: '/read', expect: [200] } },
    },
  },
  observe: { listener: 'local', request: { http: { paths: ['/state'] } }, ignore: ['now'] },
  insider: { operator: { listener: 'local', sans: ['operator.test'] } },
}

/** What tests of a fake site share: its records are there when it answers, and nobody else moves its target. */
export const fakeKnowledge = () => Object.assign(new SharedKnowledge(), { patience: { recordMs: 250, settleMs: 250 } })

/** A site of one node, `b`, which is one real HTTPS server with client certificates, a binding check and a decision log. */
export async function fakeSite(evidence: string) {
  const authority = await rogueAuthority('Root of the fake site')
  const leafOf = (name: string) => issueLeaf({ authority, subject: name, sans: [name] })
  const [server, holder, operator] = await Promise.all([leafOf('b.test'), leafOf('a.test'), leafOf('operator.test')])
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const key: JWK = await exportJWK(privateKey)
  const flaws: Flaws = {}
  const target = await startTarget(server, authority, flaws)
  /** Bound to a certificate. */
  const tokenFor = (identity: Identity, claims: Record<string, unknown> = {}) => {
    const cnf = { 'x5t#S256': thumbprintS256(identity.certPem) }
    return signToken({ key, header: { typ: 'at+jwt' }, claims: { jti: 'jti-1', sub: 'a', cnf, ...claims } })
  }
  const files = { 'd.pem': authority.anchorPem, 'cert.pem': operator.certPem, 'key.pem': operator.keyPem }
  const right = () => new Credential('right', async () => ({ certificate: holder, token: await tokenFor(holder) }))
  const close = async () => {
    target.server.close()
    target.server.closeAllConnections()
  }
  return { site: siteOf(target, files, evidence), flaws, authority, holder, tokenFor, right, close }
}

/** A fake site as a test of a scenario sees it, with a folder of its own for evidence. */
export async function fakeScenario(again = 'holdfast test claim') {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-fake-'))
  const fake = await fakeSite(folder)
  const site = new ScenarioSite(fake.site, { name: 'claim: test', again }, fakeKnowledge(), await callParts())
  const release = async () => {
    await site[Symbol.asyncDispose]()
    await fake.close()
    await rm(folder, { recursive: true })
  }
  return { folder, fake, site, [Symbol.asyncDispose]: release }
}

async function startTarget({ certPem: cert, keyPem: key }: Identity, authority: SigningAuthority, flaws: Flaws) {
  const tlsOptions = { cert, key, ca: authority.anchorPem, requestCert: true }
  const decisions: DecisionRecord[] = []
  const logs: string[] = []
  let effects = 0
  // A socket that TLS refused no longer knows its peer; calls come one after the other here, so the last one is meant.
  let conn = ''
  const record = (rest: Pick<DecisionRecord, 'verdict' | 'layer'> & Partial<DecisionRecord>) => {
    decisions.push({ ...place, ...undecided, ts: new Date().toISOString(), seq: decisions.length + 1, conn, ...rest })
  }
  const server = https.createServer(tlsOptions, (request, response) => {
    const socket = request.socket as TLSSocket
    const presented = thumbprintS256(new Uint8Array(socket.getPeerX509Certificate()!.raw))
    if (flaws.closes) response.setHeader('Connection', 'close')
    if (request.url === '/state' && flaws.unobservable) return void response.writeHead(500).end('{}')
    if (request.url === '/state') return void response.end(JSON.stringify({ effects, now: Date.now() }))
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const { jti, thumbprint: bound } = inspectToken(token ?? '') ?? {}
    const proven = flaws.liesAboutPrincipal ? 'A'.repeat(43) : presented
    const named = { 'x5t#S256': proven, ...(jti && !flaws.namesNoToken && { jti }) }
    const principal: Record<string, string> = flaws.namesNobody ? {} : named
    if (flaws.leak) logs.push(`got ${token}`)
    const refusal = flaws.acceptsAll ? undefined : refusalOf(token, bound === presented && !flaws.refusesAll)
    if (refusal === undefined) {
      record({ verdict: flaws.perhaps ? ('perhaps' as 'accepted') : 'accepted', layer: 'http', status: 200, principal })
      return void response.end('{}')
    }
    if (flaws.effect) effects += 1
    const told = flaws.asEndpoint === undefined ? refusal : { ...refusal, error: 'invalid_client' }
    if (!flaws.silent) record({ verdict: 'refused', layer: 'http', status: 401, principal, ...told })
    const { headers, body } = answerOf(flaws, refusal, { token, bound })
    response.writeHead(401, headers).end(body)
  })
  server.on('connection', (duplex) => {
    const socket = duplex as Socket
    conn = `${socket.remoteAddress}:${socket.remotePort}`
  })
  server.on('tlsClientError', ({ message }) => {
    const reason = /did not return a certificate/.test(message) ? 'cert_missing' : 'cert_untrusted'
    record({ verdict: 'refused', layer: 'tls', guard: 'peer.tls', reason })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port, decisions, logs }
}

function refusalOf(token: string | undefined, bound: boolean): Partial<DecisionRecord> | undefined {
  if (token === undefined) return { guard: 'b.carrier', reason: 'token_missing', error: null }
  return bound ? undefined : { guard: 'token.binding', reason: 'cnf_x5t_mismatch', error: 'invalid_token' }
}

function answerOf(
  { asEndpoint, noChallenge, wrongChallenge, echo, oracle }: Flaws,
  { error: own }: Partial<DecisionRecord>,
  { token, bound }: { token: string | undefined; bound: string | undefined },
): { headers: Record<string, string>; body: string } {
  if (asEndpoint !== undefined) return { headers: { 'Cache-Control': asEndpoint }, body: '{"error":"invalid_client"}' }
  if (noChallenge) return { headers: {}, body: '{}' }
  const error = own ?? (wrongChallenge ? 'invalid_token' : undefined)
  const headers = { 'WWW-Authenticate': `Bearer realm="b"${error ? `, error="${error}"` : ''}` }
  if (echo) return { headers, body: `{"error":"unauthorized","of":"${token?.split('.')[1]}"}` }
  if (oracle) return { headers, body: `Error: no\n    at check (/srv/b/main.ts:12:3) wanted ${bound}` }
  return { headers, body: '{"error":"unauthorized"}' }
}

const place = { node: 'b', unit: 'main', listener: 'local', requestId: 'r', action: 'b:read', target: 'b', ms: 0 }
const undecided = { status: null, error: null, guard: null, reason: null, principal: {} }

function siteOf(
  target: Awaited<ReturnType<typeof startTarget>>,
  files: Readonly<Record<string, string>>,
  evidence: string,
): Site {
  const { port } = target
  const listener = { name: 'local', port, protocol: 'https' as const, clientCertificate: 'required' as const }
  const command = { program: { service: 'fake' }, args: [] }
  const service = { command, ready: { tcp: { port } }, listeners: [listener] }
  const receive = { from: 'ca', source: { file: 'root' }, to: { path: anchorPath('d'), mode: '0644' } }
  const common = { summary: '', after: [], files: [] }
  const units: PlanNode['units'] = [
    { ...common, name: 'anchor-d', kind: 'anchor', steps: [{ receive }] },
    { ...common, name: 'main', kind: 'fake', steps: [], service, ...offers },
  ]
  const names = { subject: 'operator.test', sans: ['operator.test'], lifetimeSeconds: 600 }
  const operator = { name: 'operator', kind: 'certificate', issuer: 'ca', holders: ['b'], files: { b: '.' }, ...names }
  const plan: Plan = {
    format: 2,
    topology: 'fake',
    summary: 'one node',
    parameters: {},
    trustDomains: { d: { ca: 'ca' } },
    nodes: { b: { name: 'b', host: 'b.test', domain: 'd', units } },
    // Nobody enrols it.
    credentials: { operator: operator as unknown as PlanCredential },
    accepts: [{ target: 'b', action: 'b:read', credential: 'operator' }],
  }
  const node = {
    name: 'b',
    host: 'b.test',
    address: '127.0.0.1',
    addresses: { default: '127.0.0.1' },
    seat: localSeat(),
    seatIn: () => localSeat(),
    dir: '/nowhere',
    logs: () => target.logs,
    decisions: async () => target.decisions,
    readFile: async (path: string) => files[basename(path)] ?? Promise.reject(new Error(`no ${path}`)),
  } as unknown as SiteNode
  return {
    run: 'fake-run',
    plan,
    backend: 'process',
    capabilities: { ownAddress: true },
    evidence,
    secrets: new KnownSecrets(),
    nodes: new Map([['b', node]]),
    node: () => node,
    timings: new Map(),
    events: () => [],
    resolve: () => '127.0.0.1',
    [Symbol.asyncDispose]: async () => {},
  } as unknown as Site
}
