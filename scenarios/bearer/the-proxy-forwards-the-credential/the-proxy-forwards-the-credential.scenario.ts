import { expect, scenario } from 'holdfast/vitest'
import { ask } from '../asking.ts'
import { leaderOf, p2p, type Run, statusOf, tokenOf } from '../cluster.ts'

for (const edge of ['forward', 'plain']) {
  const test = scenario('bearer-cluster', { set: { edge } })

  test(`with ${edge} a call comes through as it is made directly, and is recorded with its proxy`, async ({
    site,
    credential,
  }) => {
    await leaderOf(site)
    const own = credential('cluster-token')
    expect(await site.call('operator', 'orc-3', 'pipeline:run', own)).toBeAccepted()
    const through = await site.call('operator', 'orc-3', 'pipeline:run', own, { through: 'edge' })
    expect(through).toBeAccepted()
    expect(through.principal).toMatchObject({ via: 'edge' })
    expect(await site.call('operator', 'orc-3', 'auth:read', own.without('secret'), { through: 'edge' })).toBeRefused({
      ...{ status: 401, reason: 'credential_missing_via_proxy', guard: 'bearer.access' },
    })
  })

  test(`with ${edge} orc-3 takes part: its peers reach it, and it runs what is asked of it`, async ({ site }) => {
    await leaderOf(site)
    const { peers } = await statusOf(site, 'orc-1')
    expect(peers.find(({ id }) => id === 'orc-3')).toMatchObject({ reachable: true, peerAuth: 'ok' })
    const { code, stderr, json } = await p2p<Run>(site, ['pipeline', 'run', 'canonical_selfplay', '--wait'], {
      at: 'orc-3',
    })
    expect(code, stderr).toBe(0)
    expect(json.state).toBe('succeeded')
  })

  test(`with ${edge} events come as they happen`, async ({ site }) => {
    await leaderOf(site)
    const token = await tokenOf(site)
    const stream = ask(site, { to: 'orc-3', through: 'edge', path: '/v1/events', token, forMs: site.bound(4_000) })
    const begun = await p2p<Run>(site, ['pipeline', 'run', 'canonical_selfplay'], { at: 'orc-1' })
    expect(begun.code, begun.stderr).toBe(0)
    const { status, headers, body } = await stream
    expect([status, headers['content-type']]).toEqual([200, 'text/event-stream'])
    expect(body).toMatch(/^event: leader$/m)
    expect(body).toContain(begun.json.runId)
  })
}
