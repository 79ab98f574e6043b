import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')
const untrusted = { status: 401, error: 'invalid_token', reason: 'issuer_untrusted', guard: 'token.issuer' }

test('A refuses the token that Auth-B minted for B', async ({ site, credential }) => {
  const own = credential('node-b')
  const right = credential('peer-b-to-a')

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  expect(await site.call('node-b', 'node-a', 'peering:connect', own)).toBeRefused(untrusted)
})

test('B refuses the token that Auth-A minted for A', async ({ site, credential }) => {
  const own = credential('node-a')
  const right = credential('peer-a-to-b')

  expect(await site.call('node-a', 'node-b', 'peering:connect', right)).toBeAccepted()
  expect(await site.call('node-a', 'node-b', 'peering:connect', own)).toBeRefused(untrusted)
})

test('no auth server hears of a token of the wrong issuer', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const heard = await listenToBoth(site)
  const accepted = await site.call('node-b', 'node-a', 'peering:connect', right)
  expect(accepted).toBeAccepted()
  expect((await heard()).map((record) => record.principal.jti)).toContain(accepted.principal.jti)

  const afterwards = await listenToBoth(site)
  const refused = await site.call('node-b', 'node-a', 'peering:connect', credential('node-b'))

  expect(refused).toBeRefused(untrusted)
  // Sessions that are alive are asked about again and again, by their own jti.
  expect((await afterwards()).filter((record) => record.principal.jti === undefined)).toEqual([])
})

/** What node-a asks either auth server from now on. */
async function listenToBoth(site: ScenarioSite) {
  const taps = [await site.tap('auth-a'), await site.tap('auth-b')]
  const { address } = site.node('node-a')
  return async () => {
    const records = (await Promise.all(taps.map((tap) => tap.decisions()))).flat()
    return records.filter((record) => record.conn.startsWith(`${address}:`) && record.listener === 'mtls')
  }
}
