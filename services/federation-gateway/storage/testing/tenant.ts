import { createHash, randomBytes } from 'node:crypto'
import { readScope, type Scope } from '../../scope/document.ts'
import type { AuditRow } from '../audit/rows.ts'
import type { IssuedLeaf } from '../certificates.ts'
import type { Database } from '../database.ts'
import { createGrant } from '../grants.ts'
import { registerPeer } from '../inbound-peers.ts'
import { sql } from '../statement.ts'

// Not shipped: things that tests of the storage begin with, each with ids of its own.

export interface TestTenant {
  readonly tenantId: string
  readonly alice: string
  readonly bob: string
  readonly team: string
}

/** `alice` maintains the team, `bob` is in none. */
export async function makeTenant(owner: Database): Promise<TestTenant> {
  const [tenantId, alice, bob, team] = [1, 2, 3, 4].map(() => crypto.randomUUID()) as [string, string, string, string]
  await owner.query(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, ${tenantId})`)
  for (const [id, name] of [
    [alice, 'alice'],
    [bob, 'bob'],
  ]) {
    await owner.query(sql`INSERT INTO users (id, tenant_id, name, display_name)
      VALUES (${id}::uuid, ${tenantId}::uuid, ${name}, ${name})`)
  }
  await owner.query(sql`INSERT INTO teams (id, tenant_id, name) VALUES (${team}::uuid, ${tenantId}::uuid, 'T1')`)
  await owner.query(sql`INSERT INTO team_members (tenant_id, team_id, user_id, role)
    VALUES (${tenantId}::uuid, ${team}::uuid, ${alice}::uuid, 'maintainer')`)
  return { tenantId, alice, bob, team }
}

export const SCOPE: Scope = readScope({ resources: ['tasks', 'notes'] }).scope!

export interface TestGrant {
  readonly tenantId: string
  readonly grantId: string
  readonly peerId: string
}

/** A pending grant for alice, to a peer of its own. */
export async function makeGrant(
  app: Database,
  { tenantId, alice }: TestTenant,
  { expiresAt = null, peerId }: { expiresAt?: Date | null; peerId?: string } = {},
): Promise<TestGrant> {
  const peer =
    peerId ?? (await registerPeer(app, { tenantId, commonName: `${randomBytes(6).toString('hex')}.test` }))!.id
  const made = await createGrant(app, {
    ...{ tenantId, peerId: peer, subjectUserId: alice, scope: SCOPE, rateLimit: 60, expiresAt },
  })
  return { tenantId, grantId: made!.id, peerId: peer }
}

/** A certificate as the storage sees one. */
export function makeLeaf(change: Partial<IssuedLeaf> = {}): IssuedLeaf {
  const random = randomBytes(16)
  return {
    serial: `1${random.toString('hex')}`,
    x5t: createHash('sha256').update(random).digest('base64url'),
    spkiSha256: randomBytes(32).toString('hex'),
    csrSha256: randomBytes(32).toString('hex'),
    certPem: 'certificate',
    chainPem: 'chain',
    notAfter: new Date(Date.now() + 300_000),
    ...change,
  }
}

export function makeAuditRow(change: Partial<AuditRow> = {}): AuditRow {
  return {
    ...{ id: crypto.randomUUID(), at: new Date().toISOString(), requestId: crypto.randomUUID() },
    ...{ direction: 'inbound', verb: 'list', resource: 'tasks', queryHash: null, outcome: 'allowed', status: 200 },
    ...{ reason: null, tenantId: null, grantId: null, peerId: null, subjectUserId: null, certSerial: null },
    ...{ rowsOut: 1, bytesOut: 2, latencyMs: 3, traceId: null },
    ...change,
  } as AuditRow
}
