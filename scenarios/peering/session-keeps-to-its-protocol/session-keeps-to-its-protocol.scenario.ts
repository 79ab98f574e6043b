import { randomUUID } from 'node:crypto'
import {
  expect,
  mutateClaims,
  nearMiss,
  nearMissesOf,
  type ScenarioSite,
  type Session,
  scenario,
} from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true, set: { validation: 'jwks' } })
const announcement = {
  op: 'announce',
  domain: 'b.test',
  name: 'spoken',
  protocol: 'http',
  endpoint: 'https://spoken.b.test/',
  path: ['node-b'],
}
const update = (seq: number, entry = announcement) => ({ type: 'update', seq, routes: [entry] })

type Breach = [
  what: string,
  speak: (session: Session) => void,
  expected: { code: number; guard: string; reason: string },
]
const ofAnother = { code: 4403, guard: 'route.origin', reason: 'route_origin_mismatch' }
const tooLarge = { code: 4413, guard: 'route.limit', reason: 'route_limit' }

/** Two routes, the second with this in it: what is wrong with one is wrong with the message. */
function announcing(what: string, change: Partial<typeof announcement>, expected: Breach[2]): Breach {
  const routes = [announcement, { ...announcement, name: 'other', ...change }]
  return [
    what,
    (session) => {
      introduce(session)
      session.send({ type: 'update', seq: 1, routes })
    },
    expected,
  ]
}

/** As many different names, ours first. */
const hops = (count: number) => ['node-b', ...Array.from({ length: count - 1 }, (_, at) => `n${at}`)]
const longDomain = (length: number) => `${'d'.repeat(length - '.b.test'.length)}.b.test`
const endpointOf = (length: number) => `https://b.test/${'e'.repeat(length - 'https://b.test/'.length)}`
const longest = { domain: longDomain(253), name: 'n'.repeat(253), endpoint: endpointOf(2_048), path: hops(64) }

const breaches: Breach[] = [
  [
    'a message in a binary frame',
    (session) => session.send(Buffer.from(JSON.stringify(opening('node-b')))),
    { code: 4400, guard: 'msg.form', reason: 'message_malformed' },
  ],
  ...nearMissesOf.word.map(
    (name): Breach => [
      `another node: its name ${name}`,
      (session) => session.send(opening(String(nearMiss(name, 'node-b')))),
      { code: 4403, guard: 'msg.open', reason: 'subject_mismatch' },
    ],
  ),
  ...nearMissesOf.word.map((name) =>
    announcing(`a route of another one: its name ${name}`, { path: [String(nearMiss(name, 'node-b'))] }, ofAnother),
  ),
  announcing('a route of another one: its name is the beginning of ours', { path: ['node'] }, ofAnother),
  ...['node-b', 'X', 'x_y', '-x', 'x-', 'x'.repeat(64)].map((name) =>
    announcing(`a path over ${name}`, { path: ['node-b', 'x', name] }, ofAnother),
  ),
  announcing('a longer domain than any', { domain: longDomain(254) }, tooLarge),
  announcing('a longer endpoint than any', { endpoint: endpointOf(2_049) }, tooLarge),
  announcing('a longer path than any', { path: hops(65) }, tooLarge),
  [
    'no message of the protocol',
    (session) => session.send({ type: 'exec', command: 'id' }),
    { code: 4400, guard: 'msg.form', reason: 'message_malformed' },
  ],
  [
    'a message before open',
    (session) => session.send({ type: 'keepalive', seq: 1, refused: 0 }),
    { code: 4400, guard: 'msg.form', reason: 'message_out_of_order' },
  ],
  [
    'a second open',
    (session) => {
      introduce(session)
      introduce(session)
    },
    { code: 4400, guard: 'msg.form', reason: 'message_out_of_order' },
  ],
  [
    'a sequence number that was left out',
    (session) => {
      introduce(session)
      session.send(update(2))
    },
    { code: 4400, guard: 'msg.form', reason: 'message_out_of_order' },
  ],
  [
    'another version',
    (session) => introduce(session, 2),
    { code: 4400, guard: 'msg.open', reason: 'version_unsupported' },
  ],
  [
    'a flood of pings',
    (session) => {
      for (let count = 0; count < 50; count += 1) session.ping()
    },
    { code: 4400, guard: 'msg.pace', reason: 'ping_flood' },
  ],
  [
    'a name longer than any',
    (session) => {
      introduce(session)
      session.send(update(1, { ...announcement, name: 'n'.repeat(254) }))
    },
    { code: 4413, guard: 'route.limit', reason: 'route_limit' },
  ],
]

test.for(breaches)('%s', async ([, speak, { code, ...expected }], { site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  expect(verdict).toBeAccepted()

  speak(session)

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code })
  const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(ends).toMatchObject([{ verdict: 'refused', ...expected }])
})

test('a token that only connects announces nothing', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const key = await site.signingKey('auth-a')
  const right = credential('peer-b-to-a')
  const narrow = right.withToken(
    (token) => mutateClaims(token, key, (claims) => ({ ...claims, scope: 'peer:connect' })),
    'without peer:announce',
  )
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', narrow)
  expect(verdict).toBeAccepted()

  introduce(session)
  session.send({ type: 'keepalive', seq: 1, refused: 0 })
  await site.until('it is connected', () => isConnected(site), { withinMs: 2_000 })
  session.send(update(2))

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code: 4403 })
  const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(ends).toMatchObject([{ guard: 'msg.scope', reason: 'scope_insufficient' }])
})

test('what is as long as it may be is installed, and one character more ends the session', async ({
  site,
  credential,
}) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))

  introduce(session)
  session.send(update(1, { ...announcement, ...longest }))
  await installed(site, longest.name)
  session.send(update(2, { ...announcement, ...longest, name: 'n'.repeat(254) }))

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code: tooLarge.code })
})

test('more routes than a peer may have end the session', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  const thousand = (seq: number) => ({
    type: 'update',
    seq,
    routes: Array.from({ length: 1_000 }, (_, at) => ({ ...announcement, name: `n${seq}-${at}` })),
  })

  introduce(session)
  for (let seq = 1; seq <= 10; seq += 1) session.send(thousand(seq))
  session.send(update(11))

  expect(await site.ended(session, { withinMs: 10_000 })).toMatchObject({ code: tooLarge.code })
  const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(ends).toMatchObject([{ guard: 'route.limit', reason: 'route_limit' }])
})

test('a route that came over us is dropped, and one over a node with nearly our name is not', async ({
  site,
  credential,
}) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  const over = (name: string, ...path: string[]) => ({ ...announcement, name, path: ['node-b', ...path] })

  introduce(session)
  const routes = [over('round', 'x', 'node-a'), over('longer', 'node-a-x'), over('shorter', 'node')]
  session.send({ type: 'update', seq: 1, routes })

  await site.until('two routes are installed', async () => (await learned(site)).length >= 2, { withinMs: 2_000 })
  expect((await learned(site)).toSorted()).toEqual(['longer', 'shorter'])
  const drops = await site.decisions('node-a', { conn: verdict.conn, action: 'peering:route' })
  expect(drops).toMatchObject([{ guard: 'route.loop', reason: 'loop_dropped' }])
})

test('ten pings within a second are nothing, and more of them end the session', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))

  introduce(session)
  for (let count = 0; count < 10; count += 1) session.ping()
  session.send(update(1))
  await installed(site, announcement.name)
  for (let count = 0; count < 50; count += 1) session.ping()

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code: 4400 })
})

test('whoever says that it closes has broken no rule', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const opened = async () => site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  const endings = async ({ conn }: { conn?: string }) => site.decisions('node-a', { conn, layer: 'session' })
  const [closed, broken] = [await opened(), await opened()]

  closed.session.send({ type: 'close', code: 'shutdown' })
  broken.session.send({ type: 'close' })

  await Promise.all([closed, broken].map(({ session }) => site.ended(session, { withinMs: 2_000 })))
  expect(await endings(broken.verdict)).toMatchObject([{ guard: 'msg.form', reason: 'message_malformed' }])
  expect(await endings(closed.verdict)).toEqual([])
})

test('whoever keeps to it stays', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  expect(verdict).toBeAccepted()

  introduce(session)
  session.send(update(1))
  session.send({ type: 'keepalive', seq: 2, refused: 0 })

  await installed(site, announcement.name)
})

/** Names of the routes that A has from others. */
async function learned(site: ScenarioSite): Promise<string[]> {
  const { json } = await site.operator('node-a').get('/v1/routes?state=learned')
  return (json as { routes: { name: string }[] }).routes.map(({ name }) => name)
}

async function installed(site: ScenarioSite, name: string): Promise<void> {
  await site.until('the route is installed', async () => (await learned(site)).includes(name), { withinMs: 2_000 })
}

async function isConnected(site: ScenarioSite): Promise<boolean> {
  const { peers } = (await site.operator('node-a').get('/v1/state')).json as {
    peers: { name: string; inbound: { state: string } }[]
  }
  return peers.some(({ name, inbound }) => name === 'node-b' && inbound.state === 'connected')
}

function introduce(session: Session, version = 1): void {
  session.send({ ...opening('node-b'), version })
}

function opening(node: string) {
  return { type: 'open', version: 1, node, holdTimeMs: 90_000, session: randomUUID() }
}
