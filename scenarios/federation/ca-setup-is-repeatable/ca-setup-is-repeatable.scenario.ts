import { X509Certificate } from 'node:crypto'
import { expect, runOn, scenario } from 'holdfast/vitest'
import { federation } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

test.for(['stop', 'kill'] as const)(
  'FED-18: after %s and start the root is the same, and all goes on',
  async (end, { federation, site }) => {
    const [peer, revoked] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a', { subject: 'bob' })]
    const admin = await federation.asAdmin('b')
    await admin.revoke(revoked.grant.grantId)
    await federation.revoked(revoked.grant.grantId, { withinMs: 20_000 })
    const files = ['authority/root.crt', 'authority/ca.crt', 'provisioners/mosaic-fed/public.json']
    const read = () => Promise.all(files.map((file) => site.node('ca').readFile(`units/ca/${file}`)))
    const before = await read()

    await site.node('ca')[end]()
    // Set up once more, over all that it has.
    const said = await runOn(site, 'ca', 'service:ca-setup', 'init', '--config', 'units/ca/setup.json')
    const rootSha256 = new X509Certificate(before[0]!).fingerprint256.replaceAll(':', '').toLowerCase()
    expect(JSON.parse(said)).toEqual({ made: [], rootSha256 })
    await site.node('ca').start()
    expect(await read()).toEqual(before)
    expect((await peer.list('tasks')).status).toBe(200)
    const next = await federation.asPeer('scope-a', { subject: 'carol' })
    expect((await next.list('tasks')).status).toBe(200)
    // A list that the CA makes anew names what it named before.
    await admin.revoke(next.grant.grantId)
    await federation.revoked(next.grant.grantId, { withinMs: 20_000 })
    for (const one of [revoked, next]) {
      const refused = await one.list('tasks')
      expect([refused.status, await federation.reason(refused)]).toEqual([null, 'cert_revoked'])
    }
  },
)
