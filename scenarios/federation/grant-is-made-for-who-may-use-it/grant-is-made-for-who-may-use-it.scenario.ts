import { expect, scenario } from 'holdfast/vitest'
import { inboundPeer, lend, newUser } from '../asking.ts'
import { type Admin, type Federation, federation } from '../federation.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const conflict = (guard: string, reason: string) => ({ status: 409, error: 'conflict', guard, reason })
const hourMs = 3_600_000

interface Wanted {
  readonly peerId: string
  readonly subjectUserId: string
  readonly expiresAt?: string
}

/** Asks for a grant of one kind of row. */
const ask = (admin: Admin, wanted: Wanted) =>
  admin.try('grant:create', { body: { ...wanted, scope: { resources: ['tasks'] } } })

/** How many grants of a peer there are. */
const grantsOf = async (admin: Admin, peer: string) => (await admin.ask('grant:list', { query: { peer } })).items.length

/** A peer of B that has never called, and a user there. */
async function parties(federation: Federation) {
  const admin = await federation.asAdmin('b')
  const { id: peerId } = await admin.ask('peer:register', { body: { commonName: federation.newName() } })
  const { id: subjectUserId } = await newUser(federation, 'b')
  return { admin, peerId, subjectUserId }
}

test('no peer is given one that is called and does not call', async ({ federation }) => {
  const { peerId: called, userId: subjectUserId } = await lend(federation)
  const [admin, calling] = [await federation.asAdmin('a'), await inboundPeer(federation, 'a', 'b')]

  const refused = conflict('adm.grant-parties', 'peer_not_inbound')
  await expectRefused(federation, await ask(admin, { peerId: called, subjectUserId }), refused, { at: 'a' })
  expect(await grantsOf(admin, called)).toBe(0)
  expect((await ask(admin, { peerId: calling, subjectUserId })).status).toBe(201)
})

test('no peer is given one that was removed', async ({ federation }) => {
  const { admin, peerId, subjectUserId } = await parties(federation)
  expect((await ask(admin, { peerId, subjectUserId })).status).toBe(201)

  await admin.ask('peer:remove', { parameters: { id: peerId } })
  const refused = conflict('adm.grant-parties', 'peer_ended')
  await expectRefused(federation, await ask(admin, { peerId, subjectUserId }), refused)
  expect(await grantsOf(admin, peerId)).toBe(1)
})

test('no user is given one who is disabled', async ({ federation }) => {
  const { admin, peerId, subjectUserId } = await parties(federation)
  const change = (isDisabled: boolean) =>
    admin.ask('user:change', { parameters: { id: subjectUserId }, body: { isDisabled } })

  await change(true)
  const refused = conflict('adm.grant-parties', 'subject_not_enabled')
  await expectRefused(federation, await ask(admin, { peerId, subjectUserId }), refused)
  expect(await grantsOf(admin, peerId)).toBe(0)
  await change(false)
  expect((await ask(admin, { peerId, subjectUserId })).status).toBe(201)
})

test('none is over before it begins', async ({ federation }) => {
  const { admin, ...wanted } = await parties(federation)
  const until = (fromNowMs: number) =>
    ask(admin, { ...wanted, expiresAt: new Date(Date.now() + fromNowMs).toISOString() })
  const refused = { status: 422, error: 'invalid_scope', guard: 'adm.expiry', reason: 'expiry_invalid' }

  for (const past of [-1, -hourMs, -1e12]) {
    const reply = await until(past)
    await expectRefused(federation, reply, refused)
    expect(reply.error!.details).toMatchObject([{ path: 'expiresAt' }])
  }
  expect(await grantsOf(admin, wanted.peerId)).toBe(0)
  expect((await until(hourMs)).status).toBe(201)
})

test('a name is that of one user, however many are made at once', async ({ federation }) => {
  const [admin, other] = [await federation.asAdmin('b'), await federation.asAdmin('b', 'globex')]
  const name = `user-${crypto.randomUUID()}`
  const make = (by = admin) => by.try('user:create', { body: { name } })
  const named = async () => (await admin.ask('user:list')).items.filter((user) => user.name === name)

  const replies = await Promise.all([1, 2, 3, 4].map(() => make()))
  const refused = conflict('adm.user-unique', 'user_exists')
  const taken = replies.filter(({ status }) => status !== 201)
  expect(taken).toHaveLength(replies.length - 1)
  for (const reply of [...taken, await make()]) await expectRefused(federation, reply, refused)
  const [{ id } = { id: '' }, ...more] = await named()
  expect(more).toEqual([])

  // It is free elsewhere, and here once its user is gone.
  expect((await make(other)).status).toBe(201)
  await admin.ask('user:delete', { parameters: { id } })
  expect((await make()).status).toBe(201)
  expect((await named()).map((user) => user.id)).not.toContain(id)
})
