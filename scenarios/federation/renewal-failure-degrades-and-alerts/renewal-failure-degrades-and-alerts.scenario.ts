import { expect, scenario } from 'holdfast/vitest'
import { type Asking, federate, lend } from '../asking.ts'
import { type Federation, federation } from '../federation.ts'

const test = scenario('federation', { own: true, set: { leafSeconds: 30 }, waits: true }).extend(
  'federation',
  federation,
)

/** Tried again after 5 s. */
const recoveredMs = 25_000
/** Its whole life, and as much again as a machine may be slow. */
const endedMs = 60_000

async function stateOf(federation: Federation, { peerId: id }: Asking) {
  const admin = await federation.asAdmin('a')
  const { state } = await admin.ask('peer:show', { parameters: { id } })
  const { peers } = await admin.ask('status:read')
  return { state, alerts: peers.find((one) => one.id === id)!.alerts }
}

/** Until it is brought back, or the test ends. */
async function withoutCa({ site }: Federation): Promise<() => Promise<void>> {
  const ca = site.node('ca')
  let isAway = true
  const bringBack = async () => {
    if (isAway) await ca.start()
    isAway = false
  }
  await ca.stop()
  site.own({ [Symbol.asyncDispose]: bringBack })
  return bringBack
}

const degradedIn = (lines: readonly string[], { peerId }: Asking) =>
  lines.filter((line) => line.includes('peer.degraded') && line.includes(peerId))

test('FED-38: without the CA a peer is degraded, with one alert, and goes on; with it all is well by itself', async ({
  federation,
  site,
}) => {
  const asking = await lend(federation)
  const { user, source, peerId } = asking
  const tap = await site.tap('gateway-a')
  const admin = await federation.asAdmin('a')
  const bringBack = await withoutCa(federation)

  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const refused = await admin.try('peer:renew', { parameters: { id: peerId } })
    expect([refused.status, await federation.reason(refused, 'a')]).toEqual([503, 'renewal_failed'])
  }
  expect(await stateOf(federation, asking)).toMatchObject({
    state: 'degraded',
    alerts: [expect.stringContaining('renewals fail since')],
  })
  expect(degradedIn(tap.logs(), asking)).toHaveLength(1)
  expect((await user.list('tasks', { source })).value.items.length).toBeGreaterThan(0)

  await bringBack()
  const isWell = async () => (await stateOf(federation, asking)).state === 'active'
  await site.until('the peer to be renewed', isWell, { withinMs: recoveredMs, everyMs: 250 })
  expect((await stateOf(federation, asking)).alerts).toEqual([])
  expect((await user.list('tasks', { source })).value.items.length).toBeGreaterThan(0)
})

test('FED-38: where the CA stays away past its end a peer is expired, and a new enrolment alone leads back', async ({
  federation,
  site,
}) => {
  const asking = await lend(federation)
  const { user, source, peerId } = asking
  const [here, there] = [await federation.asAdmin('a'), await federation.asAdmin('b')]
  const tap = await site.tap('gateway-a')
  const bringBack = await withoutCa(federation)

  const isExpired = async () => (await stateOf(federation, asking)).state === 'expired'
  await site.until('its certificate to end', isExpired, { withinMs: endedMs, everyMs: 500 })
  expect(degradedIn(tap.logs(), asking)).toHaveLength(1)
  const refused = await user.list('tasks', { source })
  expect([refused.status, await federation.reason(refused, 'a')]).toEqual([503, 'peer_expired'])

  // The CA alone does not bring it back.
  await bringBack()
  const unrenewed = await here.try('peer:renew', { parameters: { id: peerId } })
  expect([unrenewed.status, await federation.reason(unrenewed, 'a')]).toEqual([409, 'peer_not_renewable'])
  expect((await stateOf(federation, asking)).state).toBe('expired')

  await here.ask('peer:remove', { parameters: { id: peerId } })
  const { enrollmentUrl, token } = await there.invite(asking.grantId, { purpose: 're-enrolment' })
  await federate(federation, { grantId: asking.grantId, enrollmentUrl, token, ownerUserId: asking.userId })
  expect((await user.list('tasks', { source })).value.items.length).toBeGreaterThan(0)
})
