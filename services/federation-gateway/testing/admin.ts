import { createHash, randomBytes } from 'node:crypto'
import { beforeAll, beforeEach } from 'vitest'
import type { FederationDeps } from '../admin/deps.ts'
import { adminRoutes } from '../admin/routes.ts'
import { makeToken } from '../enrolment/token.ts'
import { RateLimit } from '../listeners/rate-limits.ts'
import type { PeerHealth } from '../outbound/peers.ts'
import { Keyring } from '../sealing/keyring.ts'
import { storeAdminToken } from '../storage/bearer-tokens.ts'
import type { Database } from '../storage/database.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeTenant, type TestTenant } from '../storage/testing/tenant.ts'
import { ADMIN_ROUTES, type AdminAction, type AdminAnswer, type AdminBody, adminPath } from '../wire/admin.ts'
import { OIDS, PEER } from './certificates.ts'
import { makeSite, type Site } from './federation.ts'
import { lastRefusal, openPublic, type PublicSite } from './public.ts'

// The routes for administrators over a real connection and a real database, with everything else as a test says.

export interface AdminSite extends AsyncDisposable {
  readonly open: PublicSite
  /** What was asked of the peers that are called, and of the outbox. */
  readonly asked: string[]
  readonly health: Map<string, PeerHealth>
  /** Why the next renewal fails. */
  failure: string | undefined
  readonly state: { -readonly [Name in keyof FederationDeps['state']]: FederationDeps['state'][Name] }
  readonly keyring: Keyring
  now: () => number
  /** A token of the tenant, or of an operator. */
  tokenOf(tenantId?: string): Promise<string>
  as(token: string): Caller
}

export interface Refusal {
  readonly status: number
  /** `409 adm.transition grant_transition`, of the decision log. */
  readonly why: string
  readonly code: string
  readonly paths: readonly string[]
  readonly text: string
}

export interface Caller {
  /** An answer that is not what its schema says fails the test. */
  ok<Action extends AdminAction>(action: Action, asking?: AdminAsking<Action>): Promise<AdminAnswer<Action>>
  refused<Action extends AdminAction>(action: Action, asking?: AdminAsking<Action>): Promise<Refusal>
}

export interface AdminAsking<Action extends AdminAction> {
  readonly at?: Readonly<Record<string, string>>
  readonly query?: object
  readonly body?: AdminBody<Action> | object
}

export const PUBLIC_URL = 'https://gateway-b.example:8443'

export async function openAdmin(database: Database, site: Site): Promise<AdminSite> {
  const asked: string[] = []
  const health: AdminSite['health'] = new Map()
  const { certificate } = site.root
  const keyring = new Keyring({ secret: 'secret of these tests, long enough', salt: randomBytes(32) })
  const outbound: FederationDeps['outbound'] = {
    async enrolled(id) {
      asked.push(`enrolled ${id}`)
    },
    removed: (id) => void asked.push(`removed ${id}`),
    async renew(id) {
      asked.push(`renew ${id}`)
      return said.failure === undefined ? {} : { failure: said.failure }
    },
    health: (id) => health.get(id),
  }
  const written = { queued: 0, stored: 3, dropped: 0, refilled: 0, rejected: 0, isBehind: false }
  const state: AdminSite['state'] = {
    tier: 'federated',
    audit: () => ({ ...written, failingSince: undefined }),
    crl: () => undefined,
    crlProblem: () => undefined,
  }
  const said = { failure: undefined as string | undefined, now: Date.now as () => number }
  const routes = adminRoutes({
    database,
    bearer: { session: database, failures: new RateLimit(), mostFailures: 20, now: () => said.now() },
    federation: {
      wakeRevocations: () => void asked.push('wake'),
      ...{ outbound, publicUrl: PUBLIC_URL, rateLimit: 60, state },
      enrolment: { keyring, publicName: PEER, ownRootPem: String(certificate), oids: OIDS },
      ca: { fingerprint: createHash('sha256').update(certificate.raw).digest('hex'), rootPem: String(certificate) },
      doctor: async () => ({ tier: 'federated', ok: true, checks: [] }),
    },
  })
  const open = await openPublic(site, routes)
  const as = (token: string): Caller => {
    const call = <Action extends AdminAction>(
      action: Action,
      { at = {}, query = {}, body }: AdminAsking<Action> = {},
    ) => open.call(ADMIN_ROUTES[action].method, adminPath(action, at, query), { token, ...(body && { body }) })
    return {
      async ok(action, asking) {
        const { status, text } = await call(action, asking)
        if (status !== ADMIN_ROUTES[action].status) throw new Error(`${action}: ${lastRefusal(open)} ${text}`)
        return ADMIN_ROUTES[action].answer.parse(JSON.parse(text)) as AdminAnswer<typeof action>
      },
      async refused(action, asking) {
        const { status, text } = await call(action, asking)
        const { code, details = [], requestId } = JSON.parse(text).error ?? { code: text }
        const paths = (details as { path: string }[]).map(({ path }) => path)
        const [, ...why] = lastRefusal(open).split(' ')
        return { status, why: why.join(' '), code, paths, text: text.replace(requestId, '') }
      },
    }
  }
  return Object.assign(said, {
    ...{ open, asked, health, state, keyring, as },
    async tokenOf(tenantId?: string) {
      const { token, sha256 } = makeToken()
      await storeAdminToken(database, { ...(tenantId && { tenantId }), name: 'test', sha256, expiresAt: null })
      return token
    },
    [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
  })
}

/** What each test of these routes stands on. */
export interface AdminTest {
  readonly site: Site
  readonly database: TestDatabase
  readonly tenant: TestTenant
  readonly other: TestTenant
  readonly admin: AdminSite
  /** Administrators of `tenant` and of `other`, and one of all. */
  readonly acme: Caller
  readonly globex: Caller
  readonly operator: Caller
}

/** Hands each test the routes over a database of its own with two tenants, which are gone with it. */
export function adminForEach(begin: (mine: AdminTest) => void): void {
  let site: Site
  let database: TestDatabase
  beforeAll(async () => {
    site = await makeSite()
  })
  databaseForEach((mine) => {
    database = mine
  })
  beforeEach(async () => {
    const tenant = await makeTenant(database.owner)
    const other = await makeTenant(database.owner)
    const admin = await openAdmin(database.app, site)
    const as = async (tenantId?: string) => admin.as(await admin.tokenOf(tenantId))
    const [acme, globex, operator] = [await as(tenant.tenantId), await as(other.tenantId), await as()]
    begin({ site, database, tenant, other, admin, acme, globex, operator })
    return () => admin[Symbol.asyncDispose]()
  })
}
