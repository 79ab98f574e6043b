import { expect, mutateClaims, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')

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
  const { token } = await site.held('peer-a-to-b')
  const exp = Math.floor(Date.now() / 1000) - 3_600
  const expired = await mutateClaims(token ?? '', await site.signingKey('auth-b'), (claims) => ({ ...claims, exp }))

  expect(await add(site, expired)).toMatchObject({ status: 400, json: { error: 'peer_token_expired' } })
})

test('with swapped files a node does not start, and says so', async ({ site }) => {
  const node = site.node('node-a')
  const [own, swapped] = [await site.held('peer-a-to-b'), await site.held('peer-b-to-a')]
  const path = site.pathOf('peer-a-to-b')
  const put = (token = '') => node.exec(['tee', path], { input: token })
  await node.stop('orchestrator')
  await put(swapped.token)

  await expect(node.start('orchestrator')).rejects.toThrow()

  expect(node.logs('orchestrator').join('\n')).toMatch(/peer_token_subject_mismatch: .*"node-b".*swap/)
  expect(node.logs('orchestrator').join('\n')).not.toContain(swapped.token)
  await put(own.token)
  await node.start('orchestrator')
})

function add(site: ScenarioSite, peerToken: string | undefined) {
  const endpoint = `wss://${site.node('node-b').host}:9443`
  return site
    .operator('node-a')
    .post('/v1/peers', { name: 'twin', endpoint, domains: [], trustDomain: 'org-b', peerToken })
}
