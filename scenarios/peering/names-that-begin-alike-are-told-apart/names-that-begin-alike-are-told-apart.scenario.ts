import {
  credentialOf,
  expect,
  mutateClaims,
  type ScenarioSite,
  scenario,
  thumbprintS256,
  unspoiled,
} from 'holdfast/vitest'

const test = scenario('./alike.ts')

/** A certificate with the name of that node, by the CA of the organisation whose name begins alike. */
async function ofTheOther(site: ScenarioSite, node: string, ca: string) {
  const { host } = site.node(node)
  return unspoiled({ authority: await site.authority(ca), subject: host, sans: [host] })
}

test.for([
  { target: 'node-a', peer: 'node-b', issuer: 'auth-a', token: 'peer-b-to-a', ca: 'ca-a' },
  { target: 'node-b', peer: 'node-a', issuer: 'auth-b', token: 'peer-a-to-b', ca: 'ca-b' },
])('the name of $peer in a certificate of the CA of $target', async (way, { site, credential }) => {
  const right = credential(way.token)
  const other = await ofTheOther(site, way.peer, way.ca)
  const cnf = { 'x5t#S256': thumbprintS256(other.certPem) }
  const forged = await mutateClaims(await right.token(), await site.signingKey(way.issuer), (claims) => ({
    ...claims,
    cnf,
  }))

  expect(await site.call(way.peer, way.target, 'peering:connect', right)).toBeAccepted()
  const attack = right.withCertificate(other).withToken(forged, 'bound to it')
  const refused = { status: 401, error: 'invalid_token', reason: 'anchor_mismatch', guard: 'peer.identity' }
  expect(await site.call(way.peer, way.target, 'peering:connect', attack)).toBeRefused(refused)
})

test.for([
  { client: 'node-b', token: 'peer-b-to-a', ca: 'ca-a' },
  { client: 'node-a', token: 'node-a', ca: 'ca-b' },
])('a client with the name of $client in a certificate of $ca', async (way, { site, credential }) => {
  const own = credential(`cert-${way.client}`)
  const { resource } = credentialOf(site.plan, 'bound-token', way.token)
  const options = { form: { grant_type: 'client_credentials', client_id: way.client, resource } }
  const other = await ofTheOther(site, way.client, way.ca)

  expect(await site.call(way.client, 'auth-a', 'token:request', own, options)).toBeAccepted()
  const attack = own.withCertificate(other, `of ${way.ca}`)
  const refused = { status: 401, error: 'invalid_client', reason: 'anchor_mismatch', guard: 'token.client' }
  expect(await site.call(way.client, 'auth-a', 'token:request', attack, options)).toBeRefused(refused)
})

test('a token for a node with which the name of this one begins', async ({ site, credential }) => {
  const right = credential('node-a')
  const key = await site.signingKey('auth-a')
  const other = { sub: 'node', client_id: 'node' }
  const forged = right.withToken((token) => mutateClaims(token, key, (claims) => ({ ...claims, ...other })), 'for node')

  expect(await site.call('node-a', 'node-a', 'node:read', right)).toBeAccepted()
  const refused = { status: 403, error: 'insufficient_scope', reason: 'not_operator', guard: 'local.caller' }
  expect(await site.call('node-a', 'node-a', 'node:read', forged)).toBeRefused(refused)
})
