import { expect, hopAtFault, putFile, scenario } from 'holdfast/vitest'
import { leaderOf, statusOf } from '../cluster.ts'

const leaseMs = 3_000

for (const [edge, broken] of [
  ['strip', 'proxy_set_header Authorization "";'],
  ['no-headers', 'proxy_pass_request_headers off;'],
] as const) {
  const test = scenario('bearer-cluster', { set: { edge, leaseMs }, own: true, waits: true })

  test(`with ${edge} the node is closed, tells why, and is back once the line is there`, async ({
    site,
    credential,
  }) => {
    await leaderOf(site, ['orc-1', 'orc-2'])
    const own = credential('cluster-token')
    expect(await site.call('operator', 'orc-3', 'auth:read', own)).toBeAccepted()
    const refused = await site.call('operator', 'orc-3', 'auth:read', own, { through: 'edge' })
    expect(refused).toBeRefused({ status: 401, reason: 'credential_missing_via_proxy', guard: 'bearer.access' })
    expect(hopAtFault(refused)).toBe(
      'edge (unit proxy) does not hand on Authorization, which reaches orc-3 when it is called directly; ' +
        'write into the block server of units/proxy/nginx.conf: proxy_set_header Authorization $http_authorization;',
    )

    // To whom it is said: its peers.
    const seen = async () => (await statusOf(site, 'orc-1')).peers.find(({ id }) => id === 'orc-3')
    await site.until('orc-1 is told', async () => (await seen())?.peerAuth === 'refused_us', { withinMs: 20_000 })

    const config = 'units/proxy/nginx.conf'
    const text = await site.node('edge').readFile(config)
    expect(text).toContain(broken)
    await putFile(site, 'edge', config, text.replace(broken, 'proxy_set_header Authorization $http_authorization;'))
    await site.node('edge').signal('SIGHUP', 'proxy')
    const began = performance.now()
    await site.until('orc-3 follows again', async () => (await statusOf(site, 'orc-3')).leader !== null, {
      withinMs: 30_000,
      everyMs: 50,
    })
    site.measured('orc-3 follows again', performance.now() - began, site.bound(2 * leaseMs))
    expect(await site.call('operator', 'orc-3', 'auth:read', own, { through: 'edge' })).toBeAccepted()
  })
}
