import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Decision, openDecisionLog } from '../../shared/decision-log.ts'
import { createCaClient } from '../enrolment/ca-client.ts'
import type { Issuer } from '../enrolment/issuing.ts'
import type { ProvisionerKey } from '../enrolment/provisioner-key.ts'
import { type Enrolling, enrolmentRoutes } from '../enrolment/redeem.ts'
import { makeToken, type Purpose } from '../enrolment/token.ts'
import { ENROLMENT_PATH } from '../enrolment/url.ts'
import { createPublicListener } from '../listeners/public-listener.ts'
import { Records } from '../listeners/records.ts'
import { type AuditRow, readAudit } from '../storage/audit/rows.ts'
import { AuditWriter } from '../storage/audit/writer.ts'
import type { Database } from '../storage/database.ts'
import { storeToken } from '../storage/enrolment-tokens.ts'
import { getInboundPeer } from '../storage/inbound-peers.ts'
import { sql } from '../storage/statement.ts'
import type { TestGrant } from '../storage/testing/tenant.ts'
import { type CsrChanges, makeCsr, namesExtension, OIDS, PROVISIONER, type TestCa } from './certificates.ts'
import { type Answer, type Asking, ask, type Site } from './federation.ts'

// Not shipped: the endpoint of enrolments over a real database, on a real listener, with its decision log and its audit.

export const FEDERATION_URL = 'https://gateway-b.somebiz.local.io:8444'

export interface EnrolmentDesk extends AsyncDisposable {
  readonly url: string
  readonly decisions: Decision[]
  /** Events of its log, with their fields. */
  readonly log: [event: string, fields: object][]
  /** `token`: as it stands in the path. */
  redeem(token: string, body?: unknown, asking?: Asking): Promise<Answer & { readonly json: Record<string, unknown> }>
  /** That are open at it. */
  connections(): Promise<number>
  /** Rows of the audit, oldest first, once every request has its own. */
  audit(): Promise<AuditRow[]>
}

export interface DeskOptions {
  readonly site: Site
  readonly database: Database
  readonly issuer: Issuer
  readonly changes?: Partial<Enrolling>
  readonly deadlineMs?: number
}

export async function openDesk({ site, database, issuer, changes, deadlineMs }: DeskOptions): Promise<EnrolmentDesk> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-enrolment-'))
  const file = join(folder, 'decisions.jsonl')
  const log: EnrolmentDesk['log'] = []
  const say = (event: string, fields: object = {}) => void log.push([event, fields])
  const logs = { info: say, warn: say, error: say }
  const decisions: Decision[] = []
  const written = openDecisionLog(file, { node: 'gateway-b', unit: 'gateway' })
  const records = new Records(
    {
      record(decision) {
        written.record(decision)
        decisions.push(decision)
      },
      close: () => written.close(),
    },
    logs,
  )
  const auditor = await AuditWriter.start({ session: database, decisionLog: file, name: folder })
  const routes = enrolmentRoutes({
    ...{ database, issuer, log: logs, federationUrl: FEDERATION_URL, limits: { perAddress: 1_000, all: 10_000 } },
    ...changes,
  })
  const listener = createPublicListener({
    ...{ host: '127.0.0.1', port: 0, names: ['localhost'], node: 'gateway-b', material: site.material, records },
    ...{ log: logs, auditor, notReady: () => undefined, list: () => undefined, routes },
    ...(deadlineMs !== undefined && { deadlineMs }),
  })
  await listener.listen()
  const url = `https://localhost:${(listener.server.address() as AddressInfo).port}${ENROLMENT_PATH}`
  return {
    ...{ url, decisions, log },
    async redeem(token, body, asking = {}) {
      const answer = await ask(`${url}${token}`, { ca: String(site.root.certificate), body, ...asking })
      return { ...answer, json: answer.text === '' ? {} : JSON.parse(answer.text) }
    },
    connections: () =>
      new Promise((resolve, reject) => {
        listener.server.getConnections((failure, count) => (failure ? reject(failure) : resolve(count)))
      }),
    async audit() {
      const end = performance.now() + 5_000
      for (;;) {
        const asked = new Set(decisions.map(({ requestId }) => requestId))
        const all = await readAudit(database, { limit: 1_000 })
        const rows = all.filter(({ requestId }) => asked.has(requestId)).toReversed()
        const ids = new Set(rows.map(({ requestId }) => requestId))
        const missing = decisions.filter(
          ({ audit, requestId }: Decision & { audit?: unknown }) => audit && !ids.has(requestId),
        )
        if (missing.length === 0) return rows
        if (performance.now() > end) throw new Error(`no row for ${JSON.stringify(missing)}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async [Symbol.asyncDispose]() {
      await listener.close(0)
      await auditor.close()
      records.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** By a CA at `url` that is trusted by its root. */
export function issuerAt(
  { url, root }: { readonly url: string; readonly root: TestCa },
  key: ProvisionerKey,
  waits: { readonly connectMs?: number; readonly deadlineMs?: number } = {},
): Issuer {
  const rootFingerprint = root.certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  const signer = { caUrl: url, provisioner: PROVISIONER.name, key, rootFingerprint }
  return {
    ca: createCaClient({ signer, rootPem: String(root.certificate), ...waits }),
    ...{ root: root.certificate, oids: OIDS, leafSeconds: 300 },
    provisioner: { name: PROVISIONER.name, kid: key.kid },
  }
}

/** A new token of a grant. */
export async function tokenOf(
  app: Database,
  grant: TestGrant,
  { purpose = 'enrolment', ttlSeconds = 900 }: { purpose?: Purpose; ttlSeconds?: number } = {},
): Promise<string> {
  const made = makeToken()
  if ((await storeToken(app, { ...grant, purpose, ttlSeconds, made })) === undefined) throw new Error('no such grant')
  return made.token
}

export async function nameOf(app: Database, { tenantId, peerId: id }: TestGrant): Promise<string> {
  return (await getInboundPeer(app, { tenantId, id }))!.commonName
}

/** A request for a certificate as its peer would make it, but for `changes`. */
export async function csrOf(app: Database, grant: TestGrant, changes: CsrChanges = {}): Promise<string> {
  const name = await nameOf(app, grant)
  return makeCsr({ subject: `CN=${name}`, names: namesExtension(['dns', name]), ...changes })
}

/** All that an enrolment can leave behind for a grant. */
export async function leftBy(app: Database, { grantId }: TestGrant) {
  const [row] = await app.query<{
    status: string
    peer: string
    leaves: string[]
    queued: string[]
    issuances: string[]
    used: number
  }>(sql`
    SELECT g.status, p.state AS peer,
      ARRAY(SELECT c.status FROM federation_certificates c WHERE c.grant_id = g.id ORDER BY issued_at) AS leaves,
      ARRAY(SELECT o.serial FROM federation_revocation_outbox o WHERE o.grant_id = g.id ORDER BY created_at) AS queued,
      ARRAY(SELECT i.state || coalesce(' ' || i.reason, '') FROM federation_issuance i WHERE i.grant_id = g.id
        ORDER BY started_at) AS issuances,
      (SELECT count(*) FROM federation_enrollment_tokens t WHERE t.grant_id = g.id AND t.used_at IS NOT NULL) AS used
    FROM federation_grants g JOIN federation_peers p ON p.id = g.peer_id WHERE g.id = ${grantId}::uuid`)
  return row!
}
