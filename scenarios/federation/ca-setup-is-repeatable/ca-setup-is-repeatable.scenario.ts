import { expect, scenario } from 'holdfast/vitest'
import { federation } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

test.for(['stop', 'kill'] as const)(
  'FED-18: after %s and start the root is the same, and all goes on',
  async (end, { federation, site }) => {
    const [peer, revoked] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a', { subject: 'bob' })]
    const admin = await federation.asAdmin('b')
    const isEffective = async () => (await admin.grant(revoked.grant.grantId)).certificateRevocation === 'effective'
    await admin.revoke(revoked.grant.grantId)
    await site.until('the list to name it', isEffective, { withinMs: 20_000 })
    const files = ['authority/root.crt', 'authority/ca.crt', 'provisioners/mosaic-fed/public.json']
    const read = () => Promise.all(files.map((file) => site.node('ca').readFile(`units/ca/${file}`)))
    const before = await read()

    await site.node('ca')[end]()
    await site.node('ca').start()
    expect(await read()).toEqual(before)
    expect((await peer.list('tasks')).status).toBe(200)
    const next = await federation.asPeer('scope-a', { subject: 'carol' })
    expect((await next.list('tasks')).status).toBe(200)
    // A list that the CA makes anew names what it named before.
    await admin.revoke(next.grant.grantId)
    const isNextEffective = async () => (await admin.grant(next.grant.grantId)).certificateRevocation === 'effective'
    await site.until('the list to name the next one, too', isNextEffective, { withinMs: 20_000 })
    for (const one of [revoked, next]) {
      const refused = await one.list('tasks')
      expect([refused.status, await federation.reason(refused)]).toEqual([null, 'cert_revoked'])
    }
  },
)
