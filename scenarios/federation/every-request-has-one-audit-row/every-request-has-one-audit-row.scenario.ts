import { expect, scenario } from 'holdfast/vitest'
import { lend } from '../asking.ts'
import {
  type AuditedRow,
  type EnrolledPeer,
  type Federation,
  federation,
  federationPath,
  type Reply,
} from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

/** From an answer to its row. */
const visibleWithinMs = 1_000
/** On a busy machine a test may look that much later. */
const lookedMs = 1_000

interface Expected {
  readonly what: string
  readonly ask: (peer: EnrolledPeer, federation: Federation) => Promise<Reply<unknown>>
  readonly status: number
  readonly reason: string | null
  readonly outcome?: string
  readonly verb?: string
  readonly resource?: string | null
  /** How much of the caller is known. */
  readonly known?: 'all' | 'certificate'
}

const post =
  (path: string, body: string, type = 'application/json') =>
  (peer: EnrolledPeer) =>
    peer.call({ method: 'POST', path: `${federationPath}${path}`, body, headers: [['Content-Type', type]] })
const row = (federation: Federation, who: string) => {
  const seed = federation.seed('b')
  const mine = seed.visible('alice', 'tasks')
  return seed.visible(who, 'tasks').find((id) => who === 'alice' || !mine.includes(id))!
}

const all: readonly Expected[] = [
  { what: 'a list', ask: (peer) => peer.list('tasks'), status: 200, reason: null, verb: 'list', resource: 'tasks' },
  {
    what: 'a row',
    ask: (peer, it) => peer.get('tasks', row(it, 'alice')),
    status: 200,
    reason: null,
    verb: 'get',
    resource: 'tasks',
  },
  { what: 'a search', ask: (peer) => peer.search('x'), status: 200, reason: null, verb: 'search' },
  { what: 'capabilities', ask: (peer) => peer.capabilities(), status: 200, reason: null, verb: 'capabilities' },
  {
    what: 'another’s row',
    ask: (peer, it) => peer.get('tasks', row(it, 'bob')),
    status: 404,
    reason: 'row_not_visible',
  },
  {
    what: 'a row that is not there',
    ask: (peer) => peer.get('tasks', crypto.randomUUID()),
    status: 404,
    reason: 'row_absent',
  },
  {
    what: 'a resource that is not granted',
    ask: (peer) => peer.list('memory'),
    status: 403,
    reason: 'resource_not_granted',
  },
  { what: 'a resource that there is not', ask: post('/list/Tasks', '{}'), status: 404, reason: 'resource_unknown' },
  { what: 'a route that there is not', ask: post('/steal/tasks', '{}'), status: 404, reason: 'route_unknown' },
  {
    what: 'another method',
    ask: (peer) => peer.call({ method: 'PUT', path: `${federationPath}/list/tasks` }),
    status: 405,
    reason: 'method_unknown',
  },
  { what: 'no JSON', ask: post('/list/tasks', '{'), status: 400, reason: 'body_malformed' },
  { what: 'an unknown member', ask: post('/list/tasks', '{"grantId":"x"}'), status: 400, reason: 'body_schema' },
  { what: 'no UUID', ask: post('/get/tasks/1', '{}'), status: 400, reason: 'id_malformed' },
  { what: 'a cursor of nobody', ask: post('/list/tasks', '{"cursor":"AAAA"}'), status: 400, reason: 'cursor_invalid' },
  { what: 'another type', ask: post('/list/tasks', 'a=b', 'text/plain'), status: 415, reason: 'content_type' },
  {
    what: 'a body that is too large',
    ask: post('/list/tasks', `{"cursor":"${'x'.repeat(20_000)}"}`),
    status: 413,
    reason: 'body_too_large',
  },
  {
    what: 'a request whose end is in doubt',
    ask: (peer) =>
      peer.call({
        ...{ method: 'POST', path: `${federationPath}/list/tasks`, body: '{}' },
        headers: [['Transfer-Encoding', 'xchunked']],
      }),
    status: 400,
    reason: 'request_unreadable',
    verb: 'unknown',
    known: 'certificate',
  },
  {
    what: 'a renewal for no request',
    ask: (peer) => peer.renew('x'),
    status: 422,
    reason: 'renew_csr_rejected',
    verb: 'renew',
  },
  {
    what: 'an unregistered certificate',
    ask: async (peer, it) => (await it.forge(peer)).list('tasks'),
    status: 403,
    reason: 'cert_unregistered',
    known: 'certificate',
  },
]

test('each outcome has its row within a second, with what was proven of its caller (FED-36)', async ({
  federation,
}) => {
  const peer = await federation.asPeer('scope-a')
  const { grantId, peerId, subjectUserId } = peer.grant
  const bound = federation.site.bound(visibleWithinMs + lookedMs)
  for (const { what, ask, status, reason, verb, resource, known = 'all' } of all) {
    const reply = await ask(peer, federation)
    const answeredAt = performance.now()
    expect(reply.status, what).toBe(status)
    const found = await federation.audited(reply)
    expect(federation.site.measured(`the row of ${what}`, performance.now() - answeredAt, bound), what).toBeLessThan(
      bound,
    )
    const outcome = status < 300 ? 'allowed' : 'denied'
    expect(found, what).toMatchObject({ direction: 'inbound', outcome, status, reason })
    if (verb !== undefined) expect(found, what).toMatchObject({ verb, resource: resource ?? null })
    const ids = { grant_id: grantId, subject_user_id: subjectUserId }
    expect(found, what).toMatchObject(
      known === 'all' ? { ...ids, peer_id: peerId, cert_serial: peer.answer.serial } : ids,
    )
    expect(await rowsOf(federation, found), what).toHaveLength(1)
    expectNoContent(federation, found, what)
  }
})

test('of a request whose caller goes away there is a row, too, that says so', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  // It says that there is more to come, and goes.
  const kept = peer.kept()
  const headers = [
    ['Content-Type', 'application/json'],
    ['Content-Length', '9'],
  ] as const
  const request = kept
    .send({ method: 'POST', path: `${federationPath}/list/tasks`, headers, body: '{' })
    .catch(() => {})
  // Its certificate is in use from the moment that the grant has let the request in, which waits for its body by then.
  const isIn = async () => {
    const text = 'SELECT status FROM federation_certificates WHERE serial = $1'
    const [leaf] = await (await federation.database('b')).query<{ status: string }>(text, [peer.answer.serial])
    return leaf?.status === 'active'
  }
  await federation.site.until('the request to be let in', isIn, { withinMs: 10_000 })
  kept[Symbol.dispose]()
  await request
  const mine = async () => {
    const rows = await federation.audit('b')
    return rows.filter(({ grant_id: grant, verb }) => grant === peer.grant.grantId && verb !== 'enrol')
  }
  await federation.site.until('it to be audited', async () => (await mine()).length > 0, { withinMs: 15_000 })
  await federation.auditedUntilNow()
  expect(await mine()).toMatchObject([{ outcome: 'aborted', rows_out: null }])
})

test('enrolments have one each, good and bad, without the token', async ({ federation }) => {
  const invited = await federation.invite()
  const [good, used] = [await federation.redeem(invited), await federation.redeem(invited)]
  const unknown = await federation.redeem({ ...invited, token: '0'.repeat(64) })

  const { grantId, peerId } = invited
  const ids = { verb: 'enrol', grant_id: grantId, peer_id: peerId }
  expect(await federation.audited(good)).toMatchObject({ ...ids, outcome: 'allowed', status: 200 })
  expect(await federation.audited(used)).toMatchObject({ ...ids, outcome: 'denied', status: 410, reason: 'token_used' })
  const nothing = { grant_id: null, peer_id: null, subject_user_id: null }
  expect(await federation.audited(unknown)).toMatchObject({
    outcome: 'denied',
    status: 404,
    reason: 'token_unknown',
    ...nothing,
  })
  expect(JSON.stringify(await federation.audit('b'))).not.toContain(invited.token)
})

test('our own calls have one each at both ends, and what ends at TLS has none', async ({ federation }) => {
  const { user, source, grantId } = await lend(federation)
  const rowsAt = async (letter: string, verb: string) =>
    (await federation.audit(letter)).filter((one) => one.grant_id === grantId && one.verb === verb)
  await user.search('x', { source })
  await user.list('memory', { source })
  const bothSides = async (verb: string) => [await rowsAt('a', verb), await rowsAt('b', verb)]
  await federation.site.until(
    'both to have audited',
    async () => (await bothSides('list')).every((rows) => rows.length > 0),
    {
      withinMs: 5_000,
    },
  )
  expect(await bothSides('search')).toMatchObject([
    [{ direction: 'outbound', outcome: 'allowed', status: 200 }],
    [{ direction: 'inbound', outcome: 'allowed', status: 200 }],
  ])
  expect(await bothSides('list')).toMatchObject([
    [{ direction: 'outbound', outcome: 'denied', status: 403, reason: 'peer_refused' }],
    [{ direction: 'inbound', outcome: 'denied', status: 403, reason: 'resource_not_granted' }],
  ])

  const reply = await (await federation.connectAnonymously()).list('tasks')
  expect(reply.status).toBeNull()
  const [record] = await federation.decided(reply)
  expect(record).toMatchObject({ layer: 'tls', reason: 'cert_missing' })
  await federation.auditedUntilNow()
  expect((await federation.audit('b')).filter(({ reason }) => reason === 'cert_missing')).toEqual([])
})

function rowsOf(federation: Federation, { request_id: id }: AuditedRow) {
  return federation
    .database('b')
    .then((database) => database.query('SELECT id FROM federation_audit_all WHERE request_id = $1', [id]))
}

function expectNoContent(federation: Federation, found: AuditedRow, what: string): void {
  expect(federation.seed('b').markersIn(JSON.stringify(found)), what).toEqual([])
}
