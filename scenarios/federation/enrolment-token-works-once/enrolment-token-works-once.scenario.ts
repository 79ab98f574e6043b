import { expect, scenario } from 'holdfast/vitest'
import { type Federation, federation, requestFor } from '../federation.ts'
import { expectNotEnrolled, signedFor, storedOf } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const used = { status: 410, error: 'gone', guard: 'enr.token-unused', reason: 'token_used' }

test.for([
  ['the same request', async (_: string, own: string) => own],
  ['the request of somebody else', async (name: string) => (await requestFor(name)).csrPem],
] as const)('FED-01: a token that was redeemed is gone, for %s', async ([, request], { federation }) => {
  const invited = await federation.invite()
  const { serial } = (await federation.redeem(invited)).value
  const before = await storedOf(federation, invited)

  const reply = await federation.redeem(invited, await request(invited.commonName, invited.request.csrPem))
  await expectNotEnrolled(federation, reply, used, invited)
  expect(await storedOf(federation, invited)).toEqual(before)
  expect((await signedFor(federation, invited)).map((call) => BigInt(call.serial ?? 0))).toEqual([
    BigInt(`0x${serial}`),
  ])
  const allowed = (await federation.audit('b')).filter(({ grant_id }) => grant_id === invited.grantId)
  expect(allowed.filter(({ outcome }) => outcome === 'allowed')).toHaveLength(1)
})

/** Fewer than one address may have in the middle of a handshake. */
const atOnce = 60

test('FED-01: of sixty that redeem one token at once, one has a certificate', async ({ federation }) => {
  const invited = await federation.invite()
  const requests = await Promise.all(Array.from({ length: atOnce }, () => requestFor(invited.commonName)))
  const replies = await Promise.all(requests.map(({ csrPem }) => federation.redeem(invited, csrPem)))

  expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(atOnce - 1).fill(410)])
  for (const reply of replies.filter(({ status }) => status !== 200)) {
    await expectNotEnrolled(federation, reply, used, invited)
  }
  expect(await signedFor(federation, invited)).toHaveLength(1)
  expect((await storedOf(federation, invited)).certificates).toHaveLength(1)
  expect((await (await federation.asAdmin('b')).grant(invited.grantId)).status).toBe('active')
})

/** Two tokens of one grant, for the same peer. */
async function twoTokens(federation: Federation) {
  const invited = await federation.invite()
  const { token } = await (await federation.asAdmin('b')).invite(invited.grantId)
  return [invited, { ...invited, token, request: await requestFor(invited.commonName) }] as const
}

test('FED-06: of two tokens of one grant that are redeemed at once, one comes to something, however often that is done', async ({
  federation,
}) => {
  const both = await Promise.all(Array.from({ length: atOnce / 2 }, () => twoTokens(federation)))
  const replies = await Promise.all(both.map((two) => Promise.all(two.map((one) => federation.redeem(one)))))
  for (const [at, [invited]] of both.entries()) {
    const statuses = replies[at]!.map(({ status }) => status)
    expect(statuses.toSorted()).toEqual([200, 409])
    const late = replies[at]![statuses.indexOf(409)]!
    // Whether it came while the other was on its way, or after it.
    expect(['grant_already_active', 'activation_lost_race']).toContain(await federation.reason(late))
    expect(await federation.audited(late)).toMatchObject({ outcome: 'denied', status: 409, grant_id: invited.grantId })
    const { certificates, tokens } = await storedOf(federation, invited)
    expect([certificates.length, tokens.length]).toEqual([1, 2])
  }
  const signed = (await federation.certifier().calls()).map(({ subject }) => subject)
  for (const [{ commonName }] of both) expect(signed.filter((name) => name === commonName)).toHaveLength(1)
})

test('FED-06: a second token of a grant is worth nothing once the grant is active', async ({ federation }) => {
  const invited = await federation.invite()
  const admin = await federation.asAdmin('b')
  const second = { ...(await admin.invite(invited.grantId)), request: await requestFor(invited.commonName) }
  expect((await federation.redeem(invited)).status).toBe(200)
  const before = await storedOf(federation, invited)

  const active = { status: 409, error: 'conflict', guard: 'enr.grant', reason: 'grant_already_active' }
  await expectNotEnrolled(federation, await federation.redeem(second), active, second)
  // And no further one is made: that takes the word for it.
  const parameters = { id: invited.grantId }
  const third = await admin.try('grant:token', { parameters, body: {} })
  expect([third.status, await federation.reason(third)]).toEqual([409, 'grant_transition'])
  expect(await storedOf(federation, invited)).toEqual(before)
  const again = await admin.try('grant:token', { parameters, body: { purpose: 're-enrolment' } })
  expect(again.status).toBe(201)
})
