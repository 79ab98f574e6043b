import { expect, scenario } from 'holdfast/vitest'
import { lend } from '../asking.ts'
import { type Federation, federation, identityFrom, requestFor } from '../federation.ts'
import { storedOf } from '../refusals.ts'

const test = scenario('federation', { set: { leafSeconds: 30 }, waits: true }).extend('federation', federation)

/** At two thirds of its life, give or take; a machine may be slow. */
const renewedMs = 40_000

async function serialOf(federation: Federation, id: string): Promise<string | undefined> {
  const { certificates } = await (await federation.asAdmin('a')).ask('peer:show', { parameters: { id } })
  return certificates.find(({ state }) => state === 'current')?.serial
}

test('FED-39: who asks without a pause misses no row while certificates follow each other', async ({
  federation,
  site,
}) => {
  const asking = await lend(federation)
  const lent = federation.seed('b').visible('alice', 'tasks')
  const admin = await federation.asAdmin('a')
  const parameters = { id: asking.peerId }
  const serials = new Set([await serialOf(federation, asking.peerId)])
  const [failed, calls] = [[] as unknown[], { made: 0, isOver: false }]
  const ask = async () => {
    while (!calls.isOver) {
      // A search is asked anew each time, a list may come from memory.
      const [list, search] = [
        await asking.user.list('tasks', { source: asking.source }),
        await asking.user.search('task', { source: asking.source }),
      ]
      calls.made += 2
      const ids = list.status === 200 ? list.value.items.map(({ id }) => id).sort() : []
      const isWhole = list.status === 200 && !list.value._partial && search.status === 200 && !search.value._partial
      if (!isWhole || ids.join() !== lent.join()) failed.push([list.status, list.body, search.status, search.body])
    }
  }
  const asked = Promise.all([ask(), ask()])
  try {
    for (let renewal = 1; renewal <= 2; renewal += 1) {
      expect((await admin.try('peer:renew', { parameters })).status).toBe(200)
      serials.add(await serialOf(federation, asking.peerId))
    }
    const isRenewed = async () => !serials.has(await serialOf(federation, asking.peerId))
    await site.until('its certificate to be renewed in time', isRenewed, { withinMs: renewedMs, everyMs: 250 })
  } finally {
    calls.isOver = true
    await asked
  }
  expect(serials.size).toBe(3)
  expect(failed).toEqual([])
  expect(calls.made).toBeGreaterThan(100)
  const { state } = await admin.ask('peer:show', { parameters })
  expect(state).toBe('active')
})

test('FED-38: who renews together gets one certificate', async ({ federation }) => {
  const asking = await lend(federation)
  const admin = await federation.asAdmin('a')
  const stored = async () => (await storedOf(federation, asking)).certificates.length
  const before = await stored()

  const replies = await Promise.all(
    Array.from({ length: 6 }, () => admin.try('peer:renew', { parameters: { id: asking.peerId } })),
  )
  expect(replies.map(({ status }) => status)).toEqual(Array(6).fill(200))
  expect(await stored()).toBe(before + 1)
  expect((await asking.user.list('tasks', { source: asking.source })).value._partial).toBe(false)
})

test('FED-38: the same request brings the same certificate again, and another one at the same time none', async ({
  federation,
}) => {
  const peer = await federation.asPeer('scope-a')
  expect((await peer.list('tasks')).status).toBe(200)
  const [own, other] = [await requestFor(peer.grant.commonName), await requestFor(peer.grant.commonName)]
  const first = (await peer.renew(own.csrPem)).value
  const again = (await peer.renew(own.csrPem)).value
  const refused = await peer.renew(other.csrPem)

  expect(again.serial).toBe(first.serial)
  expect([refused.status, refused.error?.code]).toEqual([409, 'conflict'])
  expect(await federation.reason(refused)).toBe('renewal_in_progress')
  const { certPem, keyPem } = identityFrom(first, own.keyPem)
  const renewed = await federation.connect({ certificate: certPem, key: keyPem })
  // Both are good for a while: what is on its way with the one before arrives.
  expect([(await renewed.list('tasks')).status, (await peer.list('tasks')).status]).toEqual([200, 200])
})
