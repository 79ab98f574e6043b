import { expect, scenario } from 'holdfast/vitest'
import { type Asking, askAll } from '../asking.ts'
import { leaderOf, orchestrators, p2p, tokenOf, unit } from '../cluster.ts'

const test = scenario('bearer-cluster')

test('whatever was called, and however', async ({ site }) => {
  await leaderOf(site)
  const token = await tokenOf(site)
  const half = token.slice(0, 40)
  const asked = orchestrators.flatMap((to): Asking[] => {
    const ways = to === 'orc-3' ? [{ to }, { to, through: 'edge' as const }] : [{ to }]
    return ways.flatMap((way): Asking[] => [
      { ...way, path: '/v1/auth', token },
      { ...way, path: '/v1/auth', token: half },
      { ...way, path: `/v1/auth?access_token=${token}` },
      { ...way, path: `/v1/${token}`, token },
      {
        ...way,
        path: '/v1/auth',
        headers: [
          ['Cookie', `access_token=${token}`],
          ['X-RingRift-Auth', token],
        ],
      },
      {
        ...way,
        path: '/v1/pipeline/run',
        method: 'POST',
        body: `access_token=${token}`,
        headers: [['Content-Type', 'application/x-www-form-urlencoded']],
      },
      {
        ...way,
        path: '/v1/pipeline/run',
        method: 'POST',
        token,
        json: { pipeline: token, params: {} },
        headers: [['Idempotency-Key', crypto.randomUUID()]],
      },
      { ...way, path: '/v1/auth', headers: [['Authorization', `Bearer ${token} ${token}`]] },
      { ...way, path: '/v1/auth', headers: [['Authorization', `Basic ${token}`]] },
    ])
  })
  const replies = await askAll(site, asked, { atOnce: 4 })
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200, 400, 401, 404]))
  await p2p(site, ['nodes'])

  // What nodes have on disk but for the token itself, and all that they have said.
  const look = `find . -type f -size -4M ! -path './etc/holdfast/*' ! -path './secrets/*' ! -name '*.pem' -print0 | xargs -0 grep -alF -f - || true`
  for (const node of [...orchestrators, 'edge', 'operator', 'stranger']) {
    const { stdout } = await site
      .node(node)
      .exec(['sh', '-c', look], { input: `${token.slice(0, 12)}\n${token.slice(-12)}\n` })
    // The one place where somebody put it himself: a name of a pipeline that there is none of is kept nowhere.
    expect(stdout, node).toBe('')
    const said = site.node(node).logs().join('\n')
    for (const part of [token.slice(0, 12), token.slice(20, 32), token.slice(-12)])
      expect(said, node).not.toContain(part)
  }
  const records = (await Promise.all(orchestrators.map((node) => site.decisions(node)))).flat()
  expect(records.length).toBeGreaterThan(asked.length)
  expect(JSON.stringify(records)).not.toContain(token.slice(0, 12))
  expect(
    records.some(({ principal }) => principal.tokenRef !== undefined),
    unit,
  ).toBe(true)
})
