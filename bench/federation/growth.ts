import type { BenchFederation } from './site.ts'

/** Rows of one insert. */
const atOnce = 20_000

export interface Growth {
  readonly grants: number
  readonly audited: number
}

/** Brings in so many grants, each with a peer and a certificate, and rows of audit that are about them. */
export async function grow({ federation, database }: BenchFederation, { grants, audited }: Growth): Promise<void> {
  const { id: subject, tenant } = federation.seed('b').user('alice')
  const who = [tenant.id, subject, crypto.randomUUID()]
  const portions = async (statement: string, count: number, more: readonly unknown[] = []) => {
    for (let first = 1; first <= count; first += atOnce) {
      await database.query(statement, [...who, first, Math.min(first + atOnce - 1, count), ...more])
    }
  }
  await portions(lent, grants)
  await portions(recorded, audited, [grants])
  // As PostgreSQL does by itself, sooner or later.
  for (const table of ['federation_peers', 'federation_grants', 'federation_certificates', 'federation_audit_log']) {
    await database.query(`VACUUM ANALYZE ${table}`)
  }
}

/** The same one for the same name and number: `$3` tells one growth from another. */
const id = (name: string, n = 'n') => `md5('${name} ' || $3 || ' ' || ${n})::uuid`

const lent = `
  WITH peers AS (
    INSERT INTO federation_peers (id, tenant_id, direction, common_name, state)
    SELECT ${id('peer')}, $1, 'inbound', ${id('peer')} || '.bench.example', 'active' FROM generate_series($4::int, $5::int) n
  ), grants AS (
    INSERT INTO federation_grants (id, tenant_id, peer_id, subject_user_id, scope, status, activated_at)
    SELECT ${id('grant')}, $1, ${id('peer')}, $2,
      '{"resources":["tasks"],"excluded_resources":[],"max_rows_per_query":100,"filters":{}}', 'active', now()
    FROM generate_series($4::int, $5::int) n
  )
  INSERT INTO federation_certificates (serial, tenant_id, grant_id, peer_id, x5t, spki_sha256, csr_sha256, status, cert_pem,
    chain_pem, not_after, activated_at)
  SELECT '1' || md5('serial ' || $3 || n), $1, ${id('grant')}, ${id('peer')}, rpad(md5('x5t ' || $3 || n), 43, 'A'),
    md5('key ' || $3 || n), md5('csr ' || $3 || n), 'active', repeat('certificate ', 80), repeat('chain ', 300),
    now() + interval '15 minutes', now()
  FROM generate_series($4::int, $5::int) n`

const recorded = `
  INSERT INTO federation_audit_log (id, at, request_id, direction, verb, resource, query_hash, outcome, status, tenant_id, grant_id,
    peer_id, subject_user_id, cert_serial, rows_out, bytes_out, latency_ms)
  SELECT ${id('row')}, now() - n * interval '1 second', ${id('row')}::text, 'inbound', 'list', 'tasks', md5(n::text), 'allowed', 200, $1,
    ${id('grant', 'n % $6::int + 1')}, ${id('peer', 'n % $6::int + 1')}, $2, '1' || md5('serial ' || $3 || n), 50, 20000, 4
  FROM generate_series($4::int, $5::int) n`
