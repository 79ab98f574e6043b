import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { AdminBody } from '../../../services/federation-gateway/wire/admin.ts'
import { type EnrolmentAnswer, enrolmentAnswer } from '../../../services/federation-gateway/wire/answers.ts'
import { listenAsCollector, type ScriptedCollector } from '../../counterparts/collector/scripted-collector.ts'
import { listenAsLender, type ScriptedLenderOptions } from '../../counterparts/lender/scripted-lender.ts'
import { type Forgery, forgedAfter } from '../../credentials/federation-grant/leaf.ts'
import type { DecisionRecord } from '../../evidence/decision.ts'
import { issueLeaf, type SigningAuthority } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { type Database, openDatabase } from '../../site/database.ts'
import { once } from '../../site/once.ts'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import { standInForCa, standInForUnit } from '../../site/stand-in.ts'
import { Admin, type GrantAnswer, type GrantChoices } from './admin.ts'
import { Certifier } from './certifier.ts'
import { type Looked, lookThrough, type Needle } from './disk.ts'
import { Caller, Peer } from './peer.ts'
import { databaseNode, endpointOfCa, endpointTo, gatewayNode, type Letter, places, unitName } from './places.ts'
import { type Reply, send } from './reply.ts'
import { type CertificateRequest, identityFrom, requestFor } from './requests.ts'
import { type ScopeDocument, type ScopeName, scopeDocument } from './scopes.ts'
import { Seed } from './seed.ts'
import { AskingUser } from './user.ts'

/** Who is to have a grant of what. */
export interface EnrolOptions extends Omit<Partial<GrantChoices>, 'scope'> {
  /** One of the topology's scopes, or a document. Default: `scope-a`. */
  readonly scope?: ScopeName | ScopeDocument
  /** A user of the lender. Default: `alice`. */
  readonly subject?: string
  /** Default: a name that nobody had before. */
  readonly commonName?: string
  /** Default: one for that name, with a key of its own. */
  readonly request?: CertificateRequest
  readonly invitation?: AdminBody<'grant:token'>
}

/** What an enrolment was begun with: a grant that waits for a certificate. */
export interface Invited {
  readonly commonName: string
  readonly peerId: string
  readonly grantId: string
  readonly subjectUserId: string
  readonly scope: ScopeDocument
  readonly token: string
  readonly enrollmentUrl: string
  readonly request: CertificateRequest
}

/** A row of the audit, as the database has it. */
export type AuditedRow = Readonly<Record<string, unknown>> & {
  readonly request_id: string
  readonly outcome: string
  readonly reason: string | null
  readonly status: number | null
}

/** A peer that was enrolled by the test itself, which has its key. */
export class EnrolledPeer extends Peer {
  readonly grant: Invited
  readonly answer: EnrolmentAnswer

  constructor(
    endpoint: ConstructorParameters<typeof Peer>[0],
    identity: Identity,
    grant: Invited,
    answer: EnrolmentAnswer,
  ) {
    super(endpoint, identity)
    this.grant = grant
    this.answer = answer
  }
}

/** How a certificate differs from the one that it is made after. */
export type SignedForgery = Forgery & { readonly authority?: SigningAuthority }

const anything = z.unknown()
const lender: Letter = 'b'
const asker: Letter = 'a'
/** Whoever tests refusals is refused often. */
const unlimited = 6_000
const auditedWithinMs = 5_000
/** By how much the clock of a machine may be behind ours. */
const clocksApartMs = 1_000

/** What a call is found by in the records of a gateway. */
type Sought = Pick<Reply<unknown>, 'conn' | 'began'>

/**
 * The gateways of a site as one test sees them. All that it makes there goes through their APIs, under names that are its own; what must be
 * closed is closed with the test.
 */
export class Federation {
  readonly site: ScenarioSite
  readonly #seeds = new Map<Letter, Seed>()
  readonly #operators = new Map<Letter, () => Promise<Admin>>()
  readonly #admins = new Map<string, () => Promise<Admin>>()
  readonly #databases = new Map<Letter, () => Promise<Database>>()
  readonly #lending = new Map<Letter, () => Promise<void>>()

  constructor(site: ScenarioSite) {
    this.site = site
  }

  /** What lies in the database of a gateway from the start on. */
  seed(letter: Letter): Seed {
    return kept(this.#seeds, letter, () => new Seed(this.site.plan, gatewayNode(letter)))
  }

  /** A name that no peer of this site has had. */
  newName(): string {
    return `peer-${randomBytes(6).toString('hex')}.test.example`
  }

  /** Somebody who administers all tenants, with the token that the gateway began with. */
  asOperator(letter: Letter): Promise<Admin> {
    const make = async () => {
      const token = (await this.site.node(gatewayNode(letter)).readFile(places.operatorToken)).trim()
      return new Admin(await this.endpoint(letter, 'public', letter), token)
    }
    return kept(this.#operators, letter, () => once(make))()
  }

  /** Somebody who administers one tenant; the first one of the seed, if none is named. */
  asAdmin(letter: Letter, tenant = this.seed(letter).tenants[0]!.name): Promise<Admin> {
    const make = async () => {
      const operator = await this.asOperator(letter)
      const body = { tenantId: this.seed(letter).tenant(tenant).id, name: `test ${randomBytes(6).toString('hex')}` }
      const { token } = await operator.ask('admin:token', { body })
      return new Admin(operator.endpoint, token)
    }
    return kept(this.#admins, `${letter} ${tenant}`, () => once(make))()
  }

  /** A user of a gateway, who asks there. */
  async asUser(letter: Letter, name: string): Promise<AskingUser> {
    const { id, tenant } = this.seed(letter).user(name)
    const admin = await this.asAdmin(letter, tenant.name)
    const { token } = await admin.ask('user:token', { parameters: { id } })
    return new AskingUser(admin.endpoint, token)
  }

  /** Whoever holds a certificate for a grant of this scope: made for this test by the way that peers go. */
  asPeer(scope: ScopeName, options: Omit<EnrolOptions, 'scope'> = {}): Promise<EnrolledPeer> {
    return this.enrol({ scope, ...options })
  }

  /** A grant with its token, for somebody who has no certificate yet. */
  async invite({
    scope = 'scope-a',
    subject = 'alice',
    commonName = this.newName(),
    ...options
  }: EnrolOptions = {}): Promise<Invited> {
    const seed = this.seed(lender)
    const user = seed.user(subject)
    const { request = await requestFor(commonName), invitation, ...choices } = options
    const document = typeof scope === 'string' ? scopeDocument(scope, this.site.plan) : scope
    const admin = await this.asAdmin(lender, user.tenant.name)
    const { id: peerId } = await admin.ask('peer:register', { body: { commonName } })
    const body = { peerId, subjectUserId: user.id, scope: document, rateLimit: unlimited, ...choices }
    const { id: grantId } = await admin.ask('grant:create', { body })
    const { token, enrollmentUrl } = await admin.invite(grantId, invitation)
    return { commonName, peerId, grantId, subjectUserId: user.id, scope: document, token, enrollmentUrl, request }
  }

  /** Has a token redeemed, as a gateway that asks would; `csrPem`: in place of the request that is its own. */
  async redeem(
    { token, request }: Pick<Invited, 'token' | 'request'>,
    csrPem = request.csrPem,
    letter: Letter = lender,
  ): Promise<Reply<EnrolmentAnswer>> {
    const path = `/api/federation/enrollment/${token}`
    const from = letter === asker ? lender : asker
    return send(
      await this.endpoint(letter, 'public', from),
      { method: 'POST', path, json: { csrPem } },
      enrolmentAnswer,
    )
  }

  async enrol(options: EnrolOptions = {}): Promise<EnrolledPeer> {
    const invited = await this.invite(options)
    const answer = (await this.redeem(invited)).value
    const identity = identityFrom(answer, invited.request.keyPem)
    return new EnrolledPeer(await this.#peersEndpoint(lender), identity, invited, answer)
  }

  /** Mutual TLS with whatever a test has made, towards a gateway that lends. */
  async connect({ certificate, key }: { certificate: string; key: string }, letter: Letter = lender): Promise<Peer> {
    return new Peer(await this.#peersEndpoint(letter), { certPem: certificate, keyPem: key })
  }

  /** Somebody who has no certificate at all. */
  async connectAnonymously(letter: Letter = lender): Promise<Caller> {
    return new Caller(await this.#peersEndpoint(letter))
  }

  /**
   * Whoever presents what a peer presents but for the forgery, with a key and a serial number that are new. `authority`: who signs it;
   * the CA of the lender, if nobody else does.
   */
  async forge({ identity }: Pick<Peer, 'identity'>, { authority, ...how }: SignedForgery = {}): Promise<Peer> {
    const signer = authority ?? (await this.site.authority(this.#ca(lender)))
    return new Peer(await this.#peersEndpoint(lender), await forgedAfter(identity.certPem, signer, how))
  }

  /** Somebody who calls the CA of the lender from the node of the gateway that asks; with a certificate, where one is given. */
  async atCa(identity?: Identity): Promise<Caller> {
    const endpoint = await endpointOfCa(this.site, this.#ca(lender), { from: asker })
    return new Caller({ ...endpoint, ...(identity !== undefined && { identity }) })
  }

  /** One session at the database of a gateway, as its owner. */
  database(letter: Letter): Promise<Database> {
    const open = async () => this.site.own(await openDatabase(this.site.site, databaseNode(letter)))
    return kept(this.#databases, letter, () => once(open))()
  }

  /** All that lies on the disks of a gateway and of its database. */
  disk(letter: Letter) {
    const nodes = [gatewayNode(letter), databaseNode(letter)]
    return { find: (...needles: Needle[]): Promise<Looked> => lookThrough(this.site, nodes, needles) }
  }

  /** The audit of a gateway, oldest first, the archive included. */
  async audit(letter: Letter): Promise<AuditedRow[]> {
    return (await this.database(letter)).query<AuditedRow>('SELECT * FROM federation_audit_all ORDER BY at, id')
  }

  /** Decision records about a call, once there are any. Address and port of its connection may have been another one's before. */
  async decided({ conn, began }: Sought, letter: Letter = lender): Promise<readonly DecisionRecord[]> {
    const start = began + 1_000 * this.site.clock(gatewayNode(letter)).offsetSeconds
    const look = async () => {
      const all = await this.site.decisions(gatewayNode(letter), { conn })
      const since = (from: number) => all.filter(({ ts }) => Date.parse(ts) >= from)
      return [since(start), since(start - clocksApartMs)].find((found) => found.length > 0)
    }
    return this.site.until(`gateway ${letter} to write down what it decided about ${conn}`, look, { withinMs: 5_000 })
  }

  /** Why a call was refused, as its gateway wrote it down; null where it was not. */
  async reason(reply: Sought, letter: Letter = lender): Promise<string | null> {
    return (await this.decided(reply, letter)).at(-1)!.reason
  }

  /** The one row of the audit about a call, once it is there. */
  async audited(reply: Sought, letter: Letter = lender): Promise<AuditedRow> {
    const { requestId } = (await this.decided(reply, letter)).at(-1)!
    const look = async () => {
      const rows = await (await this.database(letter)).query<AuditedRow>(
        'SELECT * FROM federation_audit_all WHERE request_id = $1',
        [requestId],
      )
      return rows[0]
    }
    return this.site.until(`gateway ${letter} to audit ${requestId}`, look, { withinMs: auditedWithinMs })
  }

  /**
   * Once all that a gateway has to audit up to now has its row: before that, it says nothing that there is none. Rows are stored in the
   * order in which requests end, and whoever enrols has one: here with a token that is nobody's.
   */
  async auditedUntilNow(letter: Letter = lender): Promise<void> {
    const nobodys = { token: randomBytes(32).toString('hex'), request: { csrPem: 'none', keyPem: '' } }
    await this.audited(await this.redeem(nobodys, 'none', letter), letter)
  }

  /** A grant that was revoked, once the list in force names its certificate. */
  async revoked(grantId: string, { withinMs }: { withinMs: number }, letter: Letter = lender): Promise<GrantAnswer> {
    const admin = await this.asAdmin(letter)
    const look = async () => {
      const grant = await admin.grant(grantId)
      return grant.certificateRevocation === 'effective' && grant
    }
    return this.site.until(`the list in force to name the certificate of grant ${grantId}`, look, { withinMs })
  }

  /**
   * A CA under the test's control in the place of the one that a gateway has its peers certified by: with its name, address and key. Honest
   * until it is told otherwise; given back by `restore`, or when the test ends.
   */
  async hostileCa(letter: Letter = lender): Promise<Awaited<ReturnType<typeof standInForCa>>> {
    return this.site.own(await standInForCa(this.site.site, this.#ca(letter)))
  }

  /** The CA of a gateway itself, as whoever has the key of that gateway for it. */
  certifier(letter: Letter = lender): Certifier {
    return new Certifier(this.site, this.#ca(letter), gatewayNode(letter))
  }

  /**
   * A lender under the test's control in the place of one that gateways ask: with its name and address, and a certificate of its CA. Honest
   * until it is told otherwise; given back by `restore`, or when the test ends.
   */
  async hostileLender(rows: ScriptedLenderOptions['rows'], letter: Letter = lender) {
    const place = { node: gatewayNode(letter), unit: unitName, listener: 'federation' }
    const listen = (where: Omit<ScriptedLenderOptions, 'rows'>) => listenAsLender({ ...where, rows })
    return this.site.own(await standInForUnit(this.site.site, place, listen))
  }

  /**
   * A collector of spans under the test's control, beside the CA of the lender, with a certificate of that CA. Honest until it is told
   * otherwise; it ends with the test.
   */
  async collector(port: number): Promise<ScriptedCollector> {
    const ca = this.site.node(this.#ca(lender))
    const certificate = await issueLeaf({
      ...{ authority: await this.site.authority(ca.name), subject: ca.host, sans: [ca.host] },
    })
    return this.site.own(await listenAsCollector({ seat: ca.seat, host: ca.host, port, certificate }))
  }

  endpoint(letter: Letter, listener: 'public' | 'federation', from: Letter) {
    return endpointTo(this.site, letter, { listener, from })
  }

  #ca(letter: Letter): string {
    return this.site.plan.trustDomains[this.site.plan.nodes[gatewayNode(letter)]!.domain]!.ca
  }

  /** It lends once it knows whom its CA has revoked. */
  async #peersEndpoint(letter: Letter) {
    const ready = async () => {
      const open = await this.endpoint(letter, 'public', letter)
      const isReady = async () => (await send(open, { method: 'GET', path: '/readyz' }, anything)).status === 200
      await this.site.until(`gateway ${letter} to be ready`, isReady, { withinMs: 20_000 })
    }
    await kept(this.#lending, letter, () => once(ready))()
    return this.endpoint(letter, 'federation', letter === asker ? lender : asker)
  }
}

function kept<Key, Value>(all: Map<Key, Value>, key: Key, make: () => Value): Value {
  const value = all.get(key) ?? make()
  all.set(key, value)
  return value
}
