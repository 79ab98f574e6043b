import { expect, scenario } from 'holdfast/vitest'
import { type Federation, federation, type Invited } from '../federation.ts'
import { expectNotEnrolled, expectRefused, signedFor, storedOf } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const ended = { status: 410, error: 'gone', guard: 'enr.grant', reason: 'token_grant_ended' }

/** By the clock of the database, which is what counts. */
async function isOver(federation: Federation, time: string): Promise<void> {
  const database = await federation.database('b')
  const look = async () => (await database.query<{ over: boolean }>('SELECT now() > $1 AS over', [time]))[0]!.over
  await federation.site.until(`it to be later than ${time}`, look, { withinMs: 20_000 })
}

async function expectUnheard(federation: Federation, invited: Invited, refusal: typeof ended): Promise<void> {
  const before = await storedOf(federation, invited)
  await expectNotEnrolled(federation, await federation.redeem(invited), refusal, invited)
  expect(await storedOf(federation, invited)).toEqual(before)
  expect(await signedFor(federation, invited)).toEqual([])
}

test('FED-02: a token whose time is over is gone, and another one of its grant is good', async ({ federation }) => {
  const invited = await federation.invite({ invitation: { ttlSeconds: 1 } })
  const admin = await federation.asAdmin('b')
  await isOver(federation, new Date(Date.now() + 1_000).toISOString())

  const over = { status: 410, error: 'gone', guard: 'enr.token-fresh', reason: 'token_expired' }
  await expectUnheard(federation, invited, over)
  const next = { ...invited, ...(await admin.invite(invited.grantId)) }
  expect((await federation.redeem(next)).status).toBe(200)
})

test('FED-05: a token of a grant that was revoked since is gone', async ({ federation }) => {
  const [invited, other] = [await federation.invite(), await federation.invite()]
  await (await federation.asAdmin('b')).revoke(invited.grantId)

  await expectUnheard(federation, invited, ended)
  expect((await federation.redeem(other)).status).toBe(200)
})

test('FED-05: a token of a grant that has expired since is gone', async ({ federation }) => {
  const expiresAt = new Date(Date.now() + federation.site.bound(3_000)).toISOString()
  const [invited, other] = [await federation.invite({ expiresAt }), await federation.invite()]
  await isOver(federation, expiresAt)

  // What a sweep may store meanwhile changes nothing of it.
  await expectNotEnrolled(federation, await federation.redeem(invited), ended, invited)
  expect(await signedFor(federation, invited)).toEqual([])
  expect((await storedOf(federation, invited)).certificates).toEqual([])
  expect((await federation.redeem(other)).status).toBe(200)
})

test('FED-05: a token of a peer that was revoked is gone, though nobody has ended its grant', async ({
  federation,
}) => {
  const invited = await federation.invite()
  // By hand: who revokes a peer by way of the gateway ends its grants, too.
  const database = await federation.database('b')
  const become = (state: string) =>
    database.query('UPDATE federation_peers SET state = $1 WHERE id = $2', [state, invited.peerId])
  await become('revoked')

  const refusal = { status: 409, error: 'conflict', guard: 'enr.peer', reason: 'enrolment_peer_revoked' }
  await expectUnheard(federation, invited, refusal)
  await become('pending')
  expect((await federation.redeem(invited)).status).toBe(200)
})

test('FED-05: a token for another enrolment is not good for the first', async ({ federation }) => {
  const invited = await federation.invite()
  // By hand: of a pending grant the gateway makes no such token.
  const database = await federation.database('b')
  const become = (purpose: string) =>
    database.query('UPDATE federation_enrollment_tokens SET purpose = $1 WHERE grant_id = $2', [
      purpose,
      invited.grantId,
    ])
  await become('re-enrolment')

  const refusal = { status: 409, error: 'conflict', guard: 'enr.grant', reason: 'grant_not_active' }
  await expectUnheard(federation, invited, refusal)
  await become('enrolment')
  expect((await federation.redeem(invited)).status).toBe(200)
})

test.for([901, 1_000_000_000, 0, -1, 899.5, '900', null, true, [900]])(
  'FED-03: no token is made that is good for %j seconds',
  async (ttlSeconds, { federation }) => {
    const invited = await federation.invite()
    const admin = await federation.asAdmin('b')
    const path = `/api/admin/federation/grants/${invited.grantId}/tokens`
    const before = await storedOf(federation, invited)

    const reply = await admin.post(path, { ttlSeconds })
    await expectRefused(federation, reply, {
      ...{ status: 400, error: 'invalid_request', guard: 'api.body', reason: 'token_ttl' },
    })
    expect(reply.error!.details).toMatchObject([{ path: 'ttlSeconds' }])
    expect(await storedOf(federation, invited)).toEqual(before)
    expect((await admin.post(path, { ttlSeconds: 900 })).status).toBe(201)
  },
)

test('FED-03: a token lives as long as is said, and 900 seconds where nothing is', async ({ federation }) => {
  const { grantId } = await federation.invite()
  const admin = await federation.asAdmin('b')

  for (const [body, seconds] of [
    [{ ttlSeconds: 1 }, 1],
    [{ ttlSeconds: 900 }, 900],
    [{}, 900],
  ] as const) {
    const before = Date.now()
    const { expiresAt } = await admin.invite(grantId, body)
    // Its beginning lies between both, give or take what two clocks of one machine differ by.
    const [least, most] = [before + seconds * 1_000 - 1_000, Date.now() + seconds * 1_000 + 1_000]
    expect(Date.parse(expiresAt)).toBeGreaterThanOrEqual(least)
    expect(Date.parse(expiresAt)).toBeLessThanOrEqual(most)
  }
})

test('FED-07: no token is made for another peer than that of the grant', async ({ federation }) => {
  const [invited, other] = [await federation.invite(), await federation.invite()]
  const admin = await federation.asAdmin('b')
  const parameters = { id: invited.grantId }
  const before = await storedOf(federation, invited)

  const reply = await admin.try('grant:token', { parameters, body: { peerId: other.peerId } })
  await expectRefused(federation, reply, {
    ...{ status: 400, error: 'peer_mismatch', guard: 'adm.token-peer', reason: 'token_peer_mismatch' },
  })
  expect(await storedOf(federation, invited)).toEqual(before)
  expect((await admin.try('grant:token', { parameters, body: { peerId: invited.peerId } })).status).toBe(201)
})

test('FED-07: a token of one grant brings the certificate of its own peer alone', async ({ federation }) => {
  const [invited, other] = [await federation.invite(), await federation.invite()]
  const before = await storedOf(federation, other)

  const mismatch = { status: 422, error: 'invalid_csr', guard: 'enr.csr-name', reason: 'csr_name_mismatch' }
  const reply = await federation.redeem(invited, other.request.csrPem)
  await expectNotEnrolled(federation, reply, mismatch, invited)
  expect((await federation.redeem(invited)).value).toMatchObject({ grantId: invited.grantId, peerId: invited.peerId })
  expect(await storedOf(federation, other)).toEqual(before)
})
