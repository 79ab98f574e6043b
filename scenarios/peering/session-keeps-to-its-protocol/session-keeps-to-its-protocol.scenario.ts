import { randomUUID } from 'node:crypto'
import { expect, mutateClaims, type Session, scenario } from 'holdfast/vitest'

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

const breaches: [
  what: string,
  speak: (session: Session) => void,
  expected: { code: number; guard: string; reason: string },
][] = [
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
  session.send(update(1))

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code: 4403 })
  const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(ends).toMatchObject([{ guard: 'msg.scope', reason: 'scope_insufficient' }])
})

test('whoever keeps to it stays', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  expect(verdict).toBeAccepted()

  introduce(session)
  session.send(update(1))
  session.send({ type: 'keepalive', seq: 2, refused: 0 })

  const installed = async () => {
    const { json } = await site.operator('node-a').get('/v1/routes?state=learned')
    return (json as { routes: { name: string }[] }).routes.some(({ name }) => name === announcement.name)
  }
  await site.until('the route is installed', installed, { withinMs: 2_000 })
})

function introduce(session: Session, version = 1): void {
  session.send({ type: 'open', version, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
}
