import { expect, mutateClaims, type ScenarioFixtures, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true })

test('the right token is taken', async ({ site }) => {
  const { token } = await site.held('peer-a-to-b')

  expect(await add(site, token)).toMatchObject({ status: 201 })
  expect(await site.operator('node-a').get('/v1/peers/twin')).toMatchObject({ status: 200 })
  await site.operator('node-a').delete('/v1/peers/twin')
})

const texts: [what: string, token: string | undefined, code: string][] = [
  ['no token', undefined, 'peer_token_missing'],
  ['a text that is no token', 'some-token', 'peer_token_malformed'],
  ['three empty parts', '..', 'peer_token_malformed'],
  ['white space', '   ', 'peer_token_missing'],
]

test.for(texts)('%s', async ([, token, code], { site }) => {
  expect(await add(site, token)).toMatchObject({ status: 400, json: { error: code } })
  expect(await site.operator('node-a').get('/v1/peers/twin')).toMatchObject({ status: 404 })
})

test("the other direction's token is named as swapped", async ({ site }) => {
  const { token } = await site.held('peer-b-to-a')

  const answer = await site.operator('node-a').patch('/v1/peers/node-b', { peerToken: token })

  expect(answer).toMatchObject({ status: 400, json: { error: 'peer_token_subject_mismatch' } })
  expect(answer.body).toContain('swap')
})

test('its own node token, for another audience', async ({ site }) => {
  const { token } = await site.held('node-a')

  expect(await add(site, token)).toMatchObject({ status: 400, json: { error: 'peer_token_audience_mismatch' } })
})

test('a token that is bound to another certificate of this node', async ({ site, credential }) => {
  const token = await credential('peer-a-to-b').token()

  expect(await add(site, token)).toMatchObject({ status: 400, json: { error: 'peer_token_bound_elsewhere' } })
})

test('an expired token', async ({ site }) => {
  expect(await add(site, await expired(site))).toMatchObject({ status: 400, json: { error: 'peer_token_expired' } })
})

test('a trust domain that nobody declared, and an endpoint in plaintext', async ({ site }) => {
  const { token: peerToken } = await site.held('peer-a-to-b')
  const peer = { name: 'twin', endpoint: `wss://${site.node('node-b').host}:9443`, domains: [], trustDomain: 'org-b' }
  const operator = site.operator('node-a')

  for (const [change, code] of [
    [{ trustDomain: 'org-z' }, 'config_invalid'],
    [{ endpoint: peer.endpoint.replace('wss:', 'ws:') }, 'endpoint_plaintext'],
  ] as const) {
    const tap = await site.tap('node-a')
    const answer = await operator.post('/v1/peers', { ...peer, peerToken, ...change })
    expect(answer).toMatchObject({ status: 400, json: { error: code } })
    expect(await tap.decisions({ guard: 'local.peer', reason: code })).toHaveLength(1)
  }
})

const files: [what: string, reason: string, says: RegExp, token: (tools: ScenarioFixtures) => Promise<string>][] = [
  [
    'the token of the other direction',
    'peer_token_subject_mismatch',
    /"node-b".*swap/,
    async ({ site }) => (await site.held('peer-b-to-a')).token ?? '',
  ],
  ['a blank token', 'peer_token_missing', /"node-b".*blank/, async () => ' '],
  ['no token', 'peer_token_malformed', /"node-b".*no access token/, async () => 'some-token'],
  [
    'its own node token',
    'peer_token_audience_mismatch',
    /"node-b".*audience must be/,
    async ({ site }) => (await site.held('node-a')).token ?? '',
  ],
  ['a token that has expired', 'peer_token_expired', /"node-b".*expired/, ({ site }) => expired(site)],
  [
    'a token that is bound elsewhere',
    'peer_token_bound_elsewhere',
    /"node-b".*bound to certificate/,
    ({ credential }) => credential('peer-a-to-b').token(),
  ],
]

test.for(files)(
  'with %s in its file a node does not start, and says so',
  async ([, reason, says, make], { site, credential }) => {
    const node = site.node('node-a')
    const [own, wrong] = [await site.held('peer-a-to-b'), await make({ site, credential })]
    const path = site.pathOf('peer-a-to-b')
    const put = (token = '') => node.exec(['tee', path], { input: token })
    const tap = await site.tap('node-a')
    await node.stop('orchestrator')
    await put(wrong)

    await expect(node.start('orchestrator')).rejects.toThrow()

    const refused = await tap.decisions({ layer: 'start-up', guard: 'start.config', reason })
    expect(refused).toHaveLength(1)
    const said = tap.logs().join('\n')
    expect(said).toMatch(new RegExp(`${reason}: .*${says.source}`))
    if (wrong.length > 20) expect(said).not.toContain(wrong)
    await put(own.token)
    await node.start('orchestrator')
  },
)

test.for([
  ['a peer of no trust domain', 'start.config', 'config_invalid', { trustDomain: 'org-z' }],
  ['a peer in plaintext', 'dial.target', 'endpoint_plaintext', { endpoint: 'ws://node-b.somebiz.local.io:9443' }],
] as const)('with %s in its configuration a node does not start', async ([, guard, reason, change], { site }) => {
  const node = site.node('node-a')
  const file = 'units/orchestrator/config.json'
  const own = await node.readFile(file)
  const put = (text: string) => node.exec(['tee', file], { input: text })
  const configuration = JSON.parse(own) as { peering: { peers: object[] } }
  const peers = configuration.peering.peers.map((peer) => ({ ...peer, ...change }))
  const tap = await site.tap('node-a')
  await node.stop('orchestrator')
  await put(JSON.stringify({ ...configuration, peering: { ...configuration.peering, peers } }))

  await expect(node.start('orchestrator')).rejects.toThrow()

  expect(await tap.decisions({ layer: 'start-up', guard, reason })).toHaveLength(1)
  await put(own)
  await node.start('orchestrator')
})

async function expired(site: ScenarioSite): Promise<string> {
  const { token = '' } = await site.held('peer-a-to-b')
  const exp = Math.floor(Date.now() / 1000) - 3_600
  return mutateClaims(token, await site.signingKey('auth-b'), (claims) => ({ ...claims, exp }))
}

function add(site: ScenarioSite, peerToken: string | undefined) {
  const endpoint = `wss://${site.node('node-b').host}:9443`
  return site
    .operator('node-a')
    .post('/v1/peers', { name: 'twin', endpoint, domains: [], trustDomain: 'org-b', peerToken })
}
