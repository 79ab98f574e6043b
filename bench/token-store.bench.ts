import { type CryptoKey, importJWK, SignJWT } from 'jose'
import type { Site } from '../harness/backends/backend.ts'
import { insiderAt, operatorOf, signingKeyOf } from '../harness/site/insider.ts'
import { rendered } from '../harness/site/site-files.ts'
import { openStore } from '../services/auth-server/store/store.ts'
import { type Call, poolOf, send } from './caller.ts'
import type { Bench } from './main.ts'
import { interleave, type Measure, quantile } from './measure.ts'
import { benchSite, identityOf, listenerOf, type NodeIdentity } from './site.ts'

const few = 1_000
const many = 100_000
const callsARound = 160
const rounds = 7
const hour = 3_600

/** An auth server with a store of its own size, and what it is asked with. */
interface Side {
  target: ReturnType<typeof listenerOf>
  mtls: ReturnType<typeof listenerOf>
  operator: NodeIdentity
  client: NodeIdentity & { id: string }
  /** Recorded tokens that are active, the oldest half of all. */
  active: string[]
  /** Their names, in the same order. */
  jtis: string[]
}

export const bench: Bench = {
  summary: 'lists, revocation and introspection among 100 000 tokens, against 1 000',
  async run() {
    await using site = await benchSite('separate-auth', { certificateLifetime: '1h' })
    const small = await filled(site, 'a', few)
    const large = await filled(site, 'b', many)
    const measure = (name: string, p95: (side: Side) => Promise<number>): Promise<Measure> =>
      interleave(
        `${name} among 100 000 tokens, p95`,
        () => p95(small),
        () => p95(large),
        { bar: { atMost: 2 }, rounds },
      )
    const lists = Object.entries(FILTERS).map(
      ([name, query]) =>
        async () =>
          measure(`list by ${name}`, (side) => listing(side, query)),
    )
    const measures: Measure[] = []
    for (const run of lists) measures.push(await run())
    measures.push(await measure('introspect', introspecting))
    measures.push(await measure('revoke by jti', revoking))
    return measures
  },
}

/** Pages of 20, so that both sides have as much to answer. */
const FILTERS = {
  nothing: 'limit=20',
  subject: 'limit=20&subject=client-3',
  'subject and active': 'limit=20&subject=client-3&state=active',
  'subject and revoked': 'limit=20&subject=client-3&state=revoked',
  'SAN and active': 'limit=20&san=client-3.test&state=active',
  'SAN and expired': 'limit=20&san=client-3.test&state=expired',
  active: 'limit=20&state=active',
} as const

async function filled(site: Site, letter: 'a' | 'b', count: number): Promise<Side> {
  const node = `auth-${letter}`
  const { unit } = insiderAt(site, node, 'mints')
  const key = await signingKeyOf(site, node)
  await site.node(node).stop(unit.name)
  const tokens = await fill(rendered(site, site.node(node), '@{unit}/state/auth.db', unit.name), count, {
    issuer: `https://${site.node(node).host}:8443`,
    audience: `https://node-${letter}.somebiz.local.io`,
    signing: (await importJWK(key, 'ES256')) as CryptoKey,
  })
  await site.node(node).start(unit.name)
  const domain = `org-${letter}`
  const { identity } = await operatorOf(site, node)
  const client = await identityOf(site, `cert-node-${letter}`, domain)
  return {
    target: listenerOf(site, node, 'operator'),
    mtls: listenerOf(site, node, 'mtls'),
    operator: { cert: identity.certPem, key: identity.keyPem, ca: client.ca },
    client: { ...client, id: `node-${letter}` },
    ...tokens,
  }
}

const clients = 10
const signedOnes = 400
const settledAtOnce = 500

/** Ten clients; the older half has expired, of the rest every seventh is revoked. Some that are active exist as tokens, too. */
async function fill(
  path: string,
  count: number,
  { issuer, audience, signing }: { issuer: string; audience: string; signing: CryptoKey },
): Promise<{ active: string[]; jtis: string[] }> {
  const store = openStore(path)
  const now = Math.floor(Date.now() / 1000)
  const kid = store.keys.list(now).find(({ state }) => state === 'active')!.kid
  for (let client = 0; client < clients; client += 1) {
    store.clients.put({
      clientId: `client-${client}`,
      method: 'tls_client_auth',
      pins: [],
      grants: [],
      introspects: [],
    })
  }
  const tokens: { active: string[]; jtis: string[] } = { active: [], jtis: [] }
  const waiting: Promise<void>[] = []
  for (let at = 0; at < count; at += 1) {
    const clientId = `client-${at % clients}`
    const isOver = at < count / 2
    const isRevoked = !isOver && at % 7 === 0
    const token = {
      jti: crypto.randomUUID(),
      use: 'node' as const,
      clientId,
      aud: [audience],
      scope: 'node:read',
      x5t: `${clientId}${'A'.repeat(43)}`.slice(0, 43),
      sans: isRevoked ? [`${clientId}.test`, 'revoked.test'] : [`${clientId}.test`],
      trustedDomains: [],
      kid,
      iat: now - 2 * hour,
      exp: isOver ? now - hour : now + hour,
    }
    waiting.push(store.tokens.record(token))
    if (!isOver && !isRevoked && tokens.jtis.length < signedOnes) {
      const { jti, iat, exp } = token
      const signed = new SignJWT({ client_id: clientId, jti, iat, exp, iss: issuer, sub: clientId, aud: audience })
      tokens.active.push(await signed.setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(signing))
      tokens.jtis.push(jti)
    }
    if (waiting.length === 2_000) await Promise.all(waiting.splice(0))
  }
  await Promise.all(waiting)
  store.tokens.revoke({ san: 'revoked.test' }, now)
  // As a server has done by itself that ran meanwhile.
  while (store.tokens.settle(now, settledAtOnce) === settledAtOnce);
  await store.close()
  return tokens
}

async function listing({ target, operator }: Side, query: string): Promise<number> {
  return p95(target, operator, () => ({ method: 'GET', path: `/operator/v1/tokens?${query}`, headers: {} }))
}

async function introspecting({ mtls, client, active }: Side): Promise<number> {
  return p95(mtls, client, (at) =>
    form('/token/introspection', { client_id: client.id, token: active[at % active.length]! }),
  )
}

/** The same ones again in each round: to revoke what is revoked looks for it just so. */
async function revoking({ target, operator, jtis }: Side): Promise<number> {
  return p95(target, operator, (at) => ({
    method: 'POST',
    path: '/operator/v1/tokens/revoke',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jti: jtis[at % jtis.length] }),
  }))
}

function form(path: string, members: Record<string, string>): Call {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return { method: 'POST', path, headers, body: new URLSearchParams(members).toString() }
}

/** One call after the other over one connection, the handshake before the clock starts. */
async function p95(target: Side['target'], caller: NodeIdentity, call: (at: number) => Call): Promise<number> {
  const pool = poolOf(target, caller, 1)
  try {
    const first = await send(pool, target, call(0))
    if (first.includes('"active":false')) throw new Error('a good token is introspected as inactive')
    const ms: number[] = []
    for (let at = 0; at < callsARound; at += 1) {
      const began = performance.now()
      await send(pool, target, call(at))
      ms.push(performance.now() - began)
    }
    return quantile(ms, 0.95)
  } finally {
    await pool.destroy()
  }
}
