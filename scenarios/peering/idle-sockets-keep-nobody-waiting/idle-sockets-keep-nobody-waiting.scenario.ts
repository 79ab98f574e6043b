import { type Credential, expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { set: { validation: 'jwks' } })
const calls = 60
/** A machine that has more to do may well take that for a call. */
const leastBoundMs = 250

test.for([
  ['of one host', 0],
  ['of sixteen hosts', 16],
] as const)('a thousand sockets %s', async ([, addresses], { site, credential }) => {
  await quiet(site)
  const right = credential('peer-b-to-a')
  const alone = await slowest(site, right)

  const crowd = await site.crowd('auth-b', 'node-a', 'peering:connect', credential('cert-node-b'), {
    count: 1_000,
    addresses,
  })
  expect(crowd.open).toBeGreaterThan(0)
  const among = await slowest(site, right)

  const boundMs = Math.max(2 * alone, leastBoundMs)
  expect(site.measured('a peer gets in among a thousand idle sockets', among, boundMs)).toBeLessThan(boundMs)
  await site.until('they are all closed', () => crowd.open === 0, { withinMs: 10_000 })
})

/** The 99th percentile of some calls, in ms: all of them are accepted. */
async function slowest(site: ScenarioSite, credential: Credential): Promise<number> {
  const times: number[] = []
  for (let call = 0; call < calls; call += 1) {
    const verdict = await site.call('node-b', 'node-a', 'peering:connect', credential)
    expect(verdict).toBeAccepted()
    times.push(verdict.ms)
  }
  return times.toSorted((a, b) => a - b)[Math.ceil(0.99 * calls) - 1] ?? 0
}

/** B itself stops dialling, so that the test's sessions are not replaced by B's own. */
async function quiet(site: ScenarioSite): Promise<void> {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
}
