import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestAuthority, type TestIdentity, testAuthority, testFolder } from '../../shared/testing/certificates.ts'
import { type TestIssuer, testIssuer } from '../../shared/testing/issuer.ts'
import { freePort } from './process.ts'

/** Two organisations with everything that a node needs, node-a's configuration among it; their auth servers and files go with it. */
export interface TestSite extends AsyncDisposable {
  folder: string
  caA: TestAuthority
  caB: TestAuthority
  authA: TestIssuer
  authB: TestIssuer
  certA: TestIdentity
  certB: TestIdentity
  operatorA: TestIdentity
}

export const HOST_A = 'node-a.somebiz.local.io'
export const HOST_B = 'node-b.somebiz.local.io'

export async function testSite(): Promise<TestSite> {
  const folder = testFolder()
  const [caA, caB] = await Promise.all([testAuthority(folder, 'org-a'), testAuthority(folder, 'org-b')])
  const [authA, authB, certA, certB, operatorA] = await Promise.all([
    testIssuer(caA, 'auth-a.somebiz.local.io'),
    testIssuer(caB, 'auth-b.somebiz.local.io'),
    caA.issue({ sans: [HOST_A] }),
    caB.issue({ sans: [HOST_B] }),
    caA.issue({ sans: ['operator.org-a.somebiz.local.io'] }),
  ])
  return {
    ...{ folder, caA, caB, authA, authB, certA, certB, operatorA },
    async [Symbol.asyncDispose]() {
      await authA[Symbol.asyncDispose]()
      await authB[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The token that `from` presents to `to`, minted by the auth server of `to`. */
export function peerToken(site: TestSite, from: 'a' | 'b', claims: Record<string, unknown> = {}): Promise<string> {
  const [issuer, cert, to] = from === 'a' ? [site.authB, site.certA, HOST_B] : [site.authA, site.certB, HOST_A]
  return issuer.token({
    sub: `node-${from}`,
    aud: `https://${to}`,
    scope: 'peer:connect peer:announce',
    token_use: 'peer',
    cnf: { 'x5t#S256': cert.x5t },
    trusted_domains: [`${from}.test`],
    ...claims,
  })
}

/** The token with which a node calls its own local API. */
export function nodeToken(site: TestSite, node: 'a' | 'b', claims: Record<string, unknown> = {}): Promise<string> {
  const [issuer, cert, host] = node === 'a' ? [site.authA, site.certA, HOST_A] : [site.authB, site.certB, HOST_B]
  return issuer.token({
    sub: `node-${node}`,
    aud: `https://${host}`,
    scope: 'node:read node:routes',
    cnf: { 'x5t#S256': cert.x5t },
    ...claims,
  })
}

/** Configuration of one node with the other as its peer at port `peerPort`. */
export async function nodeConfiguration(site: TestSite, node: 'a' | 'b', peerPort: number, token: string) {
  const other = node === 'a' ? 'b' : 'a'
  const [ca, otherCa, auth, cert] =
    node === 'a' ? [site.caA, site.caB, site.authA, site.certA] : [site.caB, site.caA, site.authB, site.certB]
  const name = `${node}-${crypto.randomUUID().slice(0, 8)}`
  const tokenFile = join(site.folder, `${name}.token`)
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 })
  return {
    node: `node-${node}`,
    host: `node-${node}.somebiz.local.io`,
    listen: { local: `127.0.0.1:${await freePort()}` },
    tls: { cert: cert.certFile, key: cert.keyFile },
    trustDomain: { name: `org-${node}`, ca: ca.file },
    operators: [`operator.org-${node}.somebiz.local.io`],
    storage: { path: join(site.folder, `${name}-state`, 'state.sqlite') },
    decisionLog: join(site.folder, `${name}-decisions.jsonl`),
    peering: {
      listen: `127.0.0.1:${await freePort()}`,
      trustDomains: { [`org-${other}`]: { ca: otherCa.file } },
      auth: { issuer: auth.url },
      validation: { mode: 'both', introspectionCacheMs: 0 },
      peers: [
        {
          name: `node-${other}`,
          endpoint: `wss://node-${other}.somebiz.local.io:${peerPort}`,
          domains: [`${other}.test`],
          peerTokenFile: tokenFile,
          trustDomain: `org-${other}`,
        },
      ],
      limits: { refusalsPerCertificate: 10_000, refusalsPerAddress: 10_000 },
      session: { reconnectInitialMs: 100 },
    },
  }
}

/** The same configuration with other members in its section `peering`. */
export function withPeering(configuration: Awaited<ReturnType<typeof nodeConfiguration>>, members: object) {
  return { ...configuration, peering: { ...configuration.peering, ...members } }
}
