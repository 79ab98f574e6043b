import type { Site } from '../harness/backends/backend.ts'
import { issueLeaf, type SigningAuthority } from '../harness/pki/authority.ts'
import { authorityOf } from '../harness/site/insider.ts'
import { operatorClient } from '../harness/site/operator-client.ts'
import { callOnce } from './caller.ts'
import type { Bench } from './main.ts'
import { compare, median, quantile } from './measure.ts'
import { BenchSession } from './session.ts'
import { benchSite, identityOf, listenerOf, type NodeIdentity } from './site.ts'

const sessions = 100
const rounds = 7
/** Of each session, in a row, beside those of all others. */
const pingsARound = 6
/** A look at the auth server every 5 s, which may take 2 s. */
const boundMs = 7_000
const peeringAudience = 'https://peering.somebiz.local.io'

interface Peer {
  name: string
  identity: NodeIdentity
  jti: string
  session: BenchSession
}

export const bench: Bench = {
  summary: 'what 99 live sessions notice when the token of the hundredth is revoked',
  async run() {
    await using site = await benchSite('shared-auth', { certificateLifetime: '1h' })
    await site.node('node-b').stop()
    const authority = await authorityOf(site, 'ca', 'issuing')
    const { ca } = await identityOf(site, 'cert-node-a', 'somebiz')
    const peers: Peer[] = []
    for (let at = 0; at < sessions; at += 1) peers.push(await peerOf(site, `peer-${at}`, authority, ca))
    const quiet: number[] = []
    const revoking: number[] = []
    const ended: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      const [victim, ...others] = peers as [Peer, ...Peer[]]
      quiet.push(await p99(others))
      const revoked = revoke(site, victim)
      revoking.push(await p99(others))
      ended.push(await revoked)
      victim.session.close()
      peers.shift()
      peers.push(await peerOf(site, victim.name, authority, ca))
    }
    for (const { session } of peers) session.close()
    return [
      compare('answers to 99 sessions while the hundredth is revoked, p99', median(quiet), median(revoking), {
        bar: { atMost: 1.2 },
        rounds,
      }),
      compare('until the revoked session ends, against its bound', boundMs, Math.max(...ended), {
        bar: { atMost: 1 },
        rounds,
      }),
    ]
  },
}

/** A peer that only the bench knows: registered, proven, with a token, and with a session that lives. */
async function peerOf(site: Site, name: string, authority: SigningAuthority, ca: string): Promise<Peer> {
  const host = `${name}.somebiz.local.io`
  const leaf = await issueLeaf({ authority, subject: host, sans: [host], notAfter: new Date(Date.now() + 3_000_000) })
  const identity = { cert: leaf.certPem, key: leaf.keyPem, ca }
  const auth = operatorClient(site, 'auth')
  const grant = {
    resource: peeringAudience,
    aud: [peeringAudience],
    use: 'peer',
    scopes: ['peer:connect', 'peer:announce'],
    trustedDomains: [`${name}.test`],
    maxTtlSeconds: 3_600,
  }
  const registration = {
    client_id: name,
    method: 'tls_client_auth',
    sanDns: host,
    trustDomain: 'somebiz',
    grants: [grant],
  }
  await auth.put(`/operator/v1/clients/${name}`, registration)
  const headers = { 'content-type': 'application/json' }
  await callOnce(listenerOf(site, 'auth', 'mtls'), identity, {
    method: 'PUT',
    path: '/holders/self',
    headers,
    body: JSON.stringify({ client_id: name }),
  })
  const minted = await auth.post('/operator/v1/tokens', { clientId: name, resource: peeringAudience })
  const { access_token: token, jti } = minted.json as { access_token: string; jti: string }
  const record = { name, endpoint: `wss://${host}:9443`, domains: [`${name}.test`], enabled: true }
  await operatorClient(site, 'node-a').post('/v1/peers', record)
  const session = await BenchSession.open(listenerOf(site, 'node-a', 'peering'), { ...identity, node: name, token })
  return { name, identity, jti, session }
}

/** Of the times until each session was answered. A ping a second is far below what counts as a flood. */
async function p99(peers: readonly Peer[]): Promise<number> {
  const ms: number[] = []
  for (let ping = 0; ping < pingsARound; ping += 1) {
    for (const { session } of peers) {
      ms.push(await session.answered())
      // Spread, so that one does not wait for the answer to another.
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return quantile(ms, 0.99)
}

/** Ms from the answer of the revocation to the end of the session. */
async function revoke(site: Site, { jti, session }: Peer): Promise<number> {
  const { status } = await operatorClient(site, 'auth').post('/operator/v1/tokens/revoke', { jti })
  if (status !== 200) throw new Error(`the revocation was answered ${status}`)
  const began = performance.now()
  const code = await session.ended
  if (code !== 4401) throw new Error(`the session of the revoked token ended with ${code}`)
  return performance.now() - began
}
