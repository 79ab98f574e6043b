import {
  expect,
  type Identity,
  issueLeaf,
  rogueAuthority,
  type ScenarioSite,
  type ScriptedPeer,
  scenario,
  unspoiled,
} from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true })

test('the peer itself hears the token', async ({ site }) => {
  const peer = await listen(site, 'unspoiled')
  await dial(site, `wss://${hostOf(site)}:${peer.port}`)

  const heard = await site.until('the dialer speaks', () => peer.connections[0]?.received(), { withinMs: 5_000 })

  expect(heard).toMatch(/^authorization: bearer ey/im)
})

test.for([
  ['a certificate of an unknown CA', 'unknownCa', 'server_untrusted'],
  ["a certificate of its own organisation's CA for the peer's name", 'ownCa', 'server_untrusted'],
  ['a certificate that names the host as common name only', 'cnOnly', 'server_name_mismatch'],
  ['a certificate for another host', 'otherHost', 'server_name_mismatch'],
  ['a certificate with a wildcard', 'wildcard', 'server_name_mismatch'],
] as const)('%s hears nothing', async ([, flaw, reason], { site }) => {
  const control = await listen(site, 'unspoiled')
  await dial(site, `wss://${hostOf(site)}:${control.port}`)
  await site.until('the control hears the dialer', () => control.connections[0]?.received(), { withinMs: 5_000 })

  const peer = await listen(site, flaw)
  await dial(site, `wss://${hostOf(site)}:${peer.port}`)

  const reached = () => peer.connections.length + peer.brokenOff.length > 0
  await site.until('the dialer comes', reached, { withinMs: 5_000 })
  await site.until(`the dialer gives up: ${reason}`, async () => (await lastError(site)) === reason, {
    withinMs: 5_000,
  })
  expect(peer.connections.map((connection) => connection.received()).join('')).toBe('')
})

test('whom it dials may say that it is there, and nothing of routes', async ({ site }) => {
  const keepalive = { type: 'keepalive', seq: 1, refused: 0 }
  const closeOf = ({ sessions }: ScriptedPeer) => sessions[0]?.find(({ type }) => type === 'close')
  const control = await listen(site, 'unspoiled', [keepalive, { ...keepalive, seq: 2 }])
  await dial(site, `wss://${hostOf(site)}:${control.port}`)
  await site.until('the dialer tells its routes', () => control.sessions[0]?.[1], { withinMs: 5_000 })
  expect(closeOf(control)).toBeUndefined()

  const peer = await listen(site, 'unspoiled', [keepalive, { type: 'update', seq: 2, routes: [] }])
  await dial(site, `wss://${hostOf(site)}:${peer.port}`)

  const close = await site.until('the dialer hangs up', () => closeOf(peer), { withinMs: 5_000 })
  expect(close).toMatchObject({ code: 'protocol_error' })
})

test('an endpoint in plaintext is refused at once', async ({ site }) => {
  const peer = await site.listenAsPeer({ seat: site.node('node-b').seat })
  const answer = await site
    .operator('node-a')
    .post('/v1/peers', await record(site, `ws://${hostOf(site)}:${peer.port}`))

  expect(answer).toMatchObject({ status: 400, json: { error: 'endpoint_plaintext' } })
  expect(peer.connections).toEqual([])
})

type Flaw = 'unspoiled' | 'unknownCa' | 'ownCa' | 'cnOnly' | 'otherHost' | 'wildcard'

/** A peer at the address of node-b, under the name `mirror`; its certificate is wrong in one way. */
async function listen(site: ScenarioSite, flaw: Flaw, says: readonly unknown[] = []): Promise<ScriptedPeer> {
  const open = { type: 'open', version: 1, node: 'mirror', holdTimeMs: 90_000, session: crypto.randomUUID() }
  return site.listenAsPeer({ seat: site.node('node-b').seat, certificate: await certificate(site, flaw), open, says })
}

async function certificate(site: ScenarioSite, flaw: Flaw): Promise<Identity> {
  const host = hostOf(site)
  const right = { authority: await site.authority('ca-b'), subject: host, sans: [host] }
  if (flaw === 'unknownCa') return issueLeaf({ ...right, authority: await rogueAuthority() })
  if (flaw === 'ownCa') return issueLeaf({ ...right, authority: await site.authority('ca-a') })
  if (flaw === 'cnOnly') return issueLeaf({ ...right, sans: [] })
  if (flaw === 'otherHost') return issueLeaf({ ...right, subject: 'evil.test', sans: ['evil.test'] })
  if (flaw === 'wildcard') return issueLeaf({ ...right, sans: ['*.somebiz.local.io'] })
  return unspoiled(right)
}

async function record(site: ScenarioSite, endpoint: string): Promise<Record<string, unknown>> {
  const { token } = await site.held('peer-a-to-b')
  return { name: 'mirror', endpoint, domains: [], trustDomain: 'org-b', peerToken: token }
}

/** Makes node-a dial there, in place of where it dialled before. */
async function dial(site: ScenarioSite, endpoint: string): Promise<void> {
  const operator = site.operator('node-a')
  await operator.delete('/v1/peers/mirror')
  expect(await operator.post('/v1/peers', await record(site, endpoint))).toMatchObject({ status: 201 })
}

async function lastError(site: ScenarioSite): Promise<string | undefined> {
  const { peers } = (await site.operator('node-a').get('/v1/state')).json as {
    peers: { name: string; outbound: { lastError?: string } }[]
  }
  return peers.find(({ name }) => name === 'mirror')?.outbound.lastError
}

function hostOf(site: ScenarioSite): string {
  return site.node('node-b').host
}
