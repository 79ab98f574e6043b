import type { ScenarioFixtures } from 'holdfast/vitest'
import { expect, rogueAuthority, scenario, subordinate } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, places } from '../federation.ts'
import { atTls, forbidden, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation', { own: true, waits: true }).extend('federation', federation)

type HostileCa = Awaited<ReturnType<Federation['hostileCa']>>['ca']
type Site = ScenarioFixtures['site']

/** Two are asked for again within these, by whoever waits for a list that names what was revoked. */
const withinMs = 20_000
/** The list is fetched every 30 s. */
const aloneMs = 45_000

async function readyz(federation: Federation): Promise<{ status: number | null; body: string }> {
  const { status, body } = await (await federation.asAdmin('b')).get('/readyz')
  return { status, body }
}

/** Revokes, which makes the lender look for a new list at once, and answers what it says of the one that it finds. */
async function refusedList(federation: Federation, { grant }: EnrolledPeer): Promise<string> {
  const { site } = federation
  const tap = await site.tap('gateway-b')
  await (await federation.asAdmin('b')).revoke(grant.grantId)
  const look = () => tap.logs().find((line) => line.includes('crl-refused'))
  return site.until('the lender to refuse the list', look, { withinMs })
}

const bad: readonly (readonly [
  what: string,
  spoil: (ca: HostileCa, site: Site) => Promise<void> | void,
  why: RegExp,
])[] = [
  ['is stale', (ca) => ca.spoilCrl({ thisUpdate: new Date(), nextUpdate: new Date(Date.now() - 1_000) }), /has ended/],
  ['somebody else has signed', async (ca) => ca.spoilCrl({ authority: await rogueAuthority() }), /of another issuer/],
  [
    'somebody else has signed in the name of the CA',
    async (ca, site) => {
      ca.spoilCrl({ authority: { ...(await site.authority('ca')), key: (await rogueAuthority()).key } })
    },
    /signature is not of the issuer/,
  ],
  ['has a lower number than the one before', (ca) => ca.spoilCrl({ number: 1 }), /number/],
  [
    'is older than the one before',
    (ca) => ca.spoilCrl({ thisUpdate: new Date(Date.now() - 3_000_000) }),
    /older|before/,
  ],
  [
    'is for other certificates',
    (ca) => ca.spoilCrl({ url: 'https://ca.somebiz.local.io:9000/other' }),
    /distribution point|point/,
  ],
  [
    'is cut short',
    (ca) =>
      ca.script('crl', (_, honest) => {
        return { type: 'application/pkix-crl', body: Buffer.from(honest as Buffer).subarray(0, -10) }
      }),
    /cannot be read/,
  ],
  ['is not there', (ca) => ca.script('crl', { status: 404, body: { message: 'not found' } }), /404/],
  ['is a page of HTML', (ca) => ca.script('crl', { type: 'text/html', body: '<html></html>' }), /./],
]

test.for(bad)(
  'TLS-20: a list that %s changes nothing, and a good one counts again by itself',
  async ([, spoil, why], { federation, site }) => {
    const [peer, gone] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a', { subject: 'bob' })]
    const { ca } = await federation.hostileCa()
    await spoil(ca, site)

    expect(await refusedList(federation, gone)).toMatch(why)
    // By the last good list both pass TLS; the one that was revoked is refused all the same.
    expect((await peer.list('tasks')).status).toBe(200)
    const revoked = await gone.list('tasks')
    expect([revoked.status, await federation.reason(revoked)]).toEqual([403, 'grant_revoked'])
    expect((await readyz(federation)).status).toBe(200)

    ca.spoilCrl()
    ca.script('crl')
    await federation.revoked(gone.grant.grantId, { withinMs })
    const refused = await gone.list('tasks')
    expect([refused.status, await federation.reason(refused)]).toEqual([null, 'cert_revoked'])
    expect((await peer.list('tasks')).status).toBe(200)
  },
)

test('TLS-20: once the last good list has ended nobody is let in, until there is a good one', async ({
  federation,
  site,
}) => {
  const [peer, first, second] = await Promise.all([
    federation.asPeer('scope-a'),
    federation.asPeer('scope-a', { subject: 'bob' }),
    federation.asPeer('scope-a', { subject: 'carol' }),
  ])
  const { ca } = await federation.hostileCa()
  const admin = await federation.asAdmin('b')
  // Long enough to be loaded, short enough to be waited for.
  ca.spoilCrl({ nextUpdate: new Date(Date.now() + site.bound(6_000)) })
  await admin.revoke(first.grant.grantId)
  await federation.revoked(first.grant.grantId, { withinMs })
  expect((await peer.list('tasks')).status).toBe(200)

  ca.script('crl', { status: 404 })
  await refusedList(federation, second)
  const isOver = async () => (await readyz(federation)).status === 503
  await site.until('the list to end', isOver, { withinMs })
  expect((await readyz(federation)).body).toContain('crl_stale')
  const refused = await peer.list('tasks')
  expect(refused.status).toBeNull()
  expect(await federation.decided(refused)).toMatchObject([
    { verdict: 'refused', layer: 'tls', guard: 'tls.crl', reason: 'crl_stale' },
  ])

  ca.spoilCrl()
  ca.script('crl')
  await site.until('it to be ready again', async () => (await readyz(federation)).status === 200, { withinMs: aloneMs })
  expect((await peer.list('tasks')).status).toBe(200)
})

test('TLS-20: below a CA that has no list here nobody is let in, though the root vouches for it', async ({
  federation,
  site,
}) => {
  const [peer, gone] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a', { subject: 'bob' })]
  const before = (await peer.list('tasks')).value
  const [own, root] = [await site.authority('ca'), await site.authority('ca', 'root')]
  const [name = ''] = own.certificate.subjectName.getField('CN')
  const { ca } = await federation.hostileCa()
  // By its name alone it could be taken for the list of a namesake.
  ca.spoilCrl({ isByNameAlone: true })
  await (await federation.asAdmin('b')).revoke(gone.grant.grantId)
  await federation.revoked(gone.grant.grantId, { withinMs })
  const state = await stateOf(federation, [peer.grant.grantId])

  for (const [named, reason] of [
    ['Another Intermediate', 'crl_missing'],
    [name, 'crl_untrusted'],
  ] as const) {
    const forged = await federation.forge(peer, { authority: await subordinate(root, named) })
    await expectRefused(federation, await forged.list('tasks'), atTls(reason, 'tls.crl'), { what: named })
  }
  const certified = await federation.forge(peer, { authority: own })
  await expectRefused(federation, await certified.list('tasks'), forbidden('grant.certificate', 'cert_unregistered'))

  expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)
  expect((await peer.list('tasks')).value).toEqual(before)
})

test('TLS-20: without the list of the root its door for peers stays closed, and opens once that is there', async ({
  federation,
  site,
}) => {
  const peer = await federation.asPeer('scope-a')
  expect((await peer.list('tasks')).status).toBe(200)
  const node = site.node('gateway-b')
  const { crl } = JSON.parse(await node.readFile(places.configuration)) as { crl: { rootCrlFile: string } }
  await node.stop('gateway')
  await node.$`mv ${crl.rootCrlFile} ${crl.rootCrlFile}.away`
  await node.start('gateway')

  const unready = await readyz(federation)
  expect([unready.status, unready.body]).toEqual([503, expect.stringContaining('crl_missing')])
  await expect(peer.list('tasks')).rejects.toThrow('no connection')
  await node.$`mv ${crl.rootCrlFile}.away ${crl.rootCrlFile}`
  await site.until('it to be ready', async () => (await readyz(federation)).status === 200, { withinMs: aloneMs })
  expect((await peer.list('tasks')).status).toBe(200)
})
