import { expect, type Identity, issueLeaf, putFile, rogueAuthority, type ScenarioSite, scenario } from 'holdfast/vitest'
import { leaderOf, orchestrators, tokenOf, unit } from '../cluster.ts'
import { newToken, served } from '../starting.ts'

const leaseMs = 3_000
const test = scenario('bearer-cluster', { set: { leaseMs }, own: true, waits: true })

/** Listens where a peer did, and tells which requests came, without what they carried. */
const program = `
  const https = require('node:https')
  const { readFileSync } = require('node:fs')
  const [cert, key, address, forMs] = process.argv.slice(1)
  const seen = { connections: 0, requests: 0, tokens: 0 }
  const server = https.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    seen.requests += 1
    if (request.headers.authorization) seen.tokens += 1
    response.writeHead(503)
    response.end()
  })
  server.on('connection', () => (seen.connections += 1))
  server.listen(8770, address)
  setTimeout(() => { process.stdout.write(JSON.stringify(seen)); process.exit(0) }, Number(forMs))`

interface Seen {
  readonly connections: number
  readonly requests: number
  readonly tokens: number
}

/** What comes to whoever is in the place of orc-2 with that certificate, in the time of some heartbeats. */
async function inPlaceOf(site: ScenarioSite, { certPem, keyPem }: Identity): Promise<Seen> {
  const node = site.node('orc-2')
  const folder = `${node.dir}/impostor/${crypto.randomUUID()}`
  await putFile(site, 'orc-2', `${folder}/cert.pem`, certPem)
  await putFile(site, 'orc-2', `${folder}/key.pem`, keyPem)
  const argv = [
    'node',
    '-e',
    program,
    `${folder}/cert.pem`,
    `${folder}/key.pem`,
    node.address,
    String(site.bound(6_000)),
  ]
  const { code, stdout, stderr } = await node.exec(argv)
  if (code !== 0) throw new Error(`the server in the place of orc-2 ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as Seen
}

test('who is in the place of a peer gets nothing before it has proven to be that peer', async ({ site }) => {
  await leaderOf(site)
  const { host } = site.node('orc-2')
  const own = await site.authority('ca')
  const identities = {
    'of another root': await issueLeaf({ authority: await rogueAuthority(), subject: host, sans: [host] }),
    'of another name': await issueLeaf({ authority: own, subject: 'other.cluster.test', sans: ['other.cluster.test'] }),
    'its own': await issueLeaf({ authority: own, subject: host, sans: [host] }),
  }
  await site.node('orc-2').stop(unit)
  for (const [name, identity] of Object.entries(identities)) {
    const seen = await inPlaceOf(site, identity)
    expect(seen.connections, name).toBeGreaterThan(0)
    // The control: whoever has the certificate of the peer is called, with the token.
    if (name === 'its own') expect(seen.tokens, name).toBeGreaterThan(0)
    else expect(seen, name).toMatchObject({ requests: 0, tokens: 0 })
  }
  await site.node('orc-2').start(unit)
  await leaderOf(site)
})

test('a node that nobody configured takes no part, whatever it holds', async ({ site }) => {
  const leader = await leaderOf(site)
  const token = await tokenOf(site)
  const { dir, host } = site.node('orc-1')
  const peers = [
    ...orchestrators.map((id) => ({
      id,
      url: id === 'orc-3' ? 'https://edge.cluster.test:8770' : `https://${id}.cluster.test:8770`,
      voter: true,
    })),
    { id: 'alone', url: `https://${host}:8899`, voter: true },
  ]
  const config = { clusterId: 'cluster', peers, caFile: `${dir}/anchors/cluster.pem`, leaseMs: 1_000 }
  const taps = await Promise.all(orchestrators.map((node) => site.tap(node)))
  await served(
    site,
    { config, listen: { port: 8_899 }, env: { HOLDFAST_CLUSTER_AUTH_TOKEN: token } },
    async ({ status }) => {
      const isHeard = async () => {
        const records = (await Promise.all(taps.map((tap) => tap.decisions({ verdict: 'refused' })))).flat()
        return records.some(({ guard, reason }) => guard === 'bearer.member' && reason === 'membership_mismatch')
      }
      await site.until('the others refuse it', isHeard, { withinMs: 20_000 })
      expect(await status('/healthz')).toBe(200)
    },
  )
  const came = await site.node('orc-1').exec(['sh', '-c', 'cat given/*/state/decisions.jsonl | grep -c peer: || true'])
  expect(came.stdout.trim()).toBe('0')
  expect(await leaderOf(site)).toBe(leader)
  expect(newToken()).not.toBe(token)
})
