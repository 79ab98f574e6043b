import { randomBytes } from 'node:crypto'
import { putFile } from 'holdfast/vitest'
import {
  AskingUser,
  type Federation,
  type Invited,
  places,
  type ScopeDocument,
  type ScopeName,
  type Source,
  scopeDocument,
} from './federation.ts'

// Users of a gateway who ask another one, each with a peer of his own, and the program with which administrators come to that.

export interface LendOptions {
  /** One of the topology's scopes, or a document. Default: `scope-a`. */
  readonly scope?: ScopeName | ScopeDocument
  /** A user of the lender. Default: `alice`. */
  readonly subject?: string
  /** Requests in 60 s. Default: as many as can be allowed. */
  readonly rateLimit?: number
  readonly lender?: string
  readonly asker?: string
  /** A user of the asker who has a peer already, and gets another one. Default: a new user. */
  readonly as?: Asking
}

/** Somebody who asks, by a peer that is his alone. */
export interface Asking {
  readonly user: AskingUser
  readonly userId: string
  readonly source: Source & `federated:${string}`
  /** Where it is asked. */
  readonly peerId: string
  readonly grantId: string
}

const hostOf = (federation: Federation, letter: string) => federation.site.plan.nodes[`gateway-${letter}`]!.host

/** A user of a gateway, made for this test. */
export async function newUser(federation: Federation, letter = 'a') {
  const admin = await federation.asAdmin(letter)
  const name = `user-${randomBytes(6).toString('hex')}`
  const { id } = await admin.ask('user:create', { body: { name } })
  const { token } = await admin.ask('user:token', { parameters: { id } })
  return { id, name, user: new AskingUser(admin.endpoint, token) }
}

/** The peer that a gateway is to another one that it asks: registered once, as everybody of its asks by it. */
export async function inboundPeer(federation: Federation, lender = 'b', asker = 'a'): Promise<string> {
  const there = await federation.asAdmin(lender)
  const commonName = hostOf(federation, asker)
  const { items } = await there.ask('peer:list', { query: { limit: '1000' } })
  const known = items.find(
    (one) => one.direction === 'inbound' && one.commonName === commonName && one.state !== 'revoked',
  )
  return known?.id ?? (await there.ask('peer:register', { body: { commonName } })).id
}

/** A grant for a user of the lender, and what the administrator of the asker is given to come to a certificate for it. */
export async function invitation(
  federation: Federation,
  { scope = 'scope-a', subject = 'alice', rateLimit = 6_000, lender = 'b', asker = 'a' }: Omit<LendOptions, 'as'> = {},
) {
  const there = await federation.asAdmin(lender)
  const document = typeof scope === 'string' ? scopeDocument(scope, federation.site.plan) : scope
  const peerId = await inboundPeer(federation, lender, asker)
  const parties = { peerId, subjectUserId: federation.seed(lender).user(subject).id }
  const body = { ...parties, scope: document, rateLimit, allowSensitive: true }
  const { id: grantId } = await there.ask('grant:create', { body })
  return { ...(await there.invite(grantId)), ...parties, grantId }
}

/** A grant for a user of the lender, and a user of the asker who asks by it: by the calls that the program makes. */
export async function lend(federation: Federation, options: LendOptions = {}): Promise<Asking> {
  const { lender = 'b', asker = 'a' } = options
  const { grantId, enrollmentUrl, token } = await invitation(federation, options)
  const { id: userId, user } = options.as
    ? { id: options.as.userId, user: options.as.user }
    : await newUser(federation, asker)
  const peer = await federate(federation, { grantId, enrollmentUrl, token, ownerUserId: userId }, { lender, asker })
  // It lends once it knows whom its CA has revoked.
  await federation.connectAnonymously(lender)
  return {
    user,
    userId,
    source: `federated:${hostOf(federation, lender)}`,
    peerId: peer.id,
    grantId,
  }
}

/** Who is to ask by a grant, and what he was invited with. */
interface Invitee extends Pick<Invited, 'grantId' | 'enrollmentUrl' | 'token'> {
  readonly ownerUserId: string
  readonly caPem?: string
}

/** Has the asker certified for a grant, by the calls that `peer add` makes, and answers the peer that its owner has there. */
export async function federate(
  federation: Federation,
  { grantId, enrollmentUrl, token, ownerUserId, caPem }: Invitee,
  { lender = 'b', asker = 'a' }: Pick<LendOptions, 'lender' | 'asker'> = {},
) {
  const here = await federation.asAdmin(asker)
  const begin = { enrollmentUrl, ownerUserId, ...(caPem !== undefined && { caPem }) }
  const { peerId: id, csrPem } = await here.ask('peer:keypair', { body: begin })
  const body = { ...(await certified(federation, { token, csrPem }, lender)), grantId }
  return here.ask('peer:cert', { parameters: { id }, body })
}

/** Redeems a token of the lender for a request of the asker, and answers what that one is to be told of it. */
export async function certified(
  federation: Federation,
  { token, csrPem }: { token: string; csrPem: string },
  lender = 'b',
) {
  const { value } = await federation.redeem({ token, request: { csrPem, keyPem: '' } }, undefined, lender)
  const { certPem, certChainPem, grantId, subjectUserId, federationUrl } = value
  return { certPem, certChainPem, grantId, subjectUserId, federationUrl }
}

/** The program `federation`, run on the node of a gateway by its operator for the first tenant. */
export async function commandLine(federation: Federation, letter: string, ...words: string[]) {
  const { site } = federation
  const node = site.node(`gateway-${letter}`)
  const { host, domain } = site.plan.nodes[node.name]!
  const { port } = await federation.endpoint(letter, 'public', letter)
  const as = ['--url', `https://${host}:${port}`, '--tenant', federation.seed(letter).tenants[0]!.name]
  const files = ['--admin-token-file', places.operatorToken, '--gateway-ca', `anchors/${domain}.pem`]
  return node.exec(['service:federation-cli', ...as, ...files, ...words])
}

/** The one JSON value of a command that was done. */
export async function done<Value>(ran: ReturnType<typeof commandLine>): Promise<Value> {
  const { code, stdout, stderr } = await ran
  if (code !== 0 || stderr !== '') throw new Error(`federation ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as Value
}

/** Brings a file from one gateway to another, as an administrator would: readable to nobody else. */
export async function bring({ site }: Federation, from: string, to: string, path: string): Promise<void> {
  await putFile(site, `gateway-${to}`, path, await site.node(`gateway-${from}`).readFile(path))
}
