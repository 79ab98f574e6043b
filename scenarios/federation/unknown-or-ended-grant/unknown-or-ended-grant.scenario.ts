import { randomUUID } from 'node:crypto'
import { expect, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, type Invited, naming, type Peer } from '../federation.ts'
import { forbidden, likeness, oids, rewritten, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

/** A certificate that says all of a grant as its own would, made with the key of the CA: no list names it, so it always comes as far as its grant. */
function saying(
  federation: Federation,
  peer: EnrolledPeer,
  { grantId, subjectUserId, commonName }: Invited,
): Promise<Peer> {
  const added = rewritten(naming(oids.grant, grantId), naming(oids.subject, subjectUserId))
  return federation.forge(peer, { name: commonName, added })
}

test('unknown, pending, revoked and expired answer alike, and are told apart in the records', async ({
  federation,
}) => {
  const admin = await federation.asAdmin('b')
  const peer = await federation.asPeer('scope-a')
  const right = await peer.list('tasks')
  // Time enough to be seen before it is over.
  const expiresAt = new Date(Date.now() + federation.site.bound(6_000)).toISOString()
  const [expiring, pending, revoked] = [
    await federation.invite({ expiresAt }),
    await federation.invite(),
    await federation.asPeer('scope-a'),
  ]
  expect((await revoked.list('tasks')).status).toBe(200)
  const late = await saying(federation, peer, expiring)
  const early = await late.list('tasks')
  await expectRefused(federation, early, forbidden('grant.status', 'grant_pending'), { what: 'before it is over' })

  const others: [string, string, Peer][] = [
    ['grant.known', 'grant_unknown', await saying(federation, peer, { ...peer.grant, grantId: randomUUID() })],
    ['grant.status', 'grant_pending', await saying(federation, peer, pending)],
    ['grant.status', 'grant_revoked', await saying(federation, peer, revoked.grant)],
  ]
  await admin.revoke(revoked.grant.grantId)
  const grants = [peer, { grant: pending }, revoked].map(({ grant }) => grant.grantId)
  await federation.revoked(revoked.grant.grantId, { withinMs: 15_000 })
  const state = await stateOf(federation, grants)

  const isOver = async () => (await federation.reason(await late.list('tasks'))) === 'grant_expired'
  await federation.site.until('the grant to expire', isOver, { withinMs: 20_000 })
  const answers: unknown[] = []
  for (const [guard, reason, caller] of [...others, ['grant.status', 'grant_expired', late] as const]) {
    const row = right.value.items[0]!.id
    const replies = [
      await caller.list('tasks'),
      await caller.get('tasks', row),
      await caller.search('plan'),
      await caller.capabilities(),
      await caller.list('nothing' as 'tasks'),
      await caller.call({ method: 'PUT', path: '/api/anything' }),
    ]
    for (const reply of replies) {
      await expectRefused(federation, reply, forbidden(guard, reason), { what: reason })
      answers.push(likeness(reply))
    }
  }

  expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1)
  expect(await stateOf(federation, grants)).toEqual(state)
  expect((await admin.grant(expiring.grantId)).status).toMatch(/^(pending|expired)$/)
  expect((await peer.list('tasks')).value).toEqual(right.value)
})

test('a grant that was revoked lets in nobody, whatever certificate of it is presented', async ({ federation }) => {
  const admin = await federation.asAdmin('b')
  const peer = await federation.asPeer('scope-a')
  using connection = peer.kept()
  const asked = { method: 'POST', path: '/api/federation/v1/list/tasks', headers: [], body: '{}' }
  const send = () => connection.send({ ...asked, headers: [['Content-Type', 'application/json']] })
  expect((await send()).status).toBe(200)

  await admin.revoke(peer.grant.grantId)
  // The connection is ended once the list is loaded; until then it is the grant that refuses.
  expect(
    await send().then(
      ({ status }) => status,
      () => 403,
    ),
  ).toBe(403)
  const { certificateRevocation, status } = await federation.revoked(peer.grant.grantId, { withinMs: 15_000 })
  expect([status, certificateRevocation]).toEqual(['revoked', 'effective'])
  await expectRefused(federation, await peer.list('tasks'), { status: null, guard: 'tls.crl', reason: 'cert_revoked' })
})

test('with its peer or its user a grant ends, though nobody has ended it', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const { peerId, subjectUserId } = peer.grant
  const right = (await peer.list('tasks')).value
  const database = await federation.database('b')
  // By hand: by way of the gateway the grants end in the same transaction.
  for (const [guard, reason, row, id, ended, asBefore] of [
    ['grant.peer', 'peer_inactive', 'federation_peers', peerId, "state = 'revoked'", "state = 'active'"],
    ['grant.user', 'subject_missing', 'users', subjectUserId, 'deleted_at = now()', 'deleted_at = NULL'],
  ] as const) {
    await database.query(`UPDATE ${row} SET ${ended} WHERE id = $1`, [id])
    try {
      await expectRefused(federation, await peer.list('tasks'), forbidden(guard, reason))
    } finally {
      await database.query(`UPDATE ${row} SET ${asBefore} WHERE id = $1`, [id])
    }
    expect((await peer.list('tasks')).value).toEqual(right)
  }
})
