import { expect, mutateClaims, type ScenarioSite, scenario } from 'holdfast/vitest'

const most = 10
const mostOfAddress = 15
/** A quarter of all that there may be. */
const handshakesOfAddress = 3
const test = scenario('separate-auth', {
  set: { validation: 'introspection' },
  env: {
    'node-a/orchestrator': {
      ORCHESTRATOR_PEERING_LIMITS_REFUSALS_PER_CERTIFICATE: String(most),
      ORCHESTRATOR_PEERING_LIMITS_REFUSALS_PER_ADDRESS: String(mostOfAddress),
      ORCHESTRATOR_LIMITS_HANDSHAKES: String(most),
    },
  },
})
const mismatch = { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch' }
const unavailable = { status: 503, error: 'temporarily_unavailable', reason: 'auth_unavailable' }
const limited = { status: 429, error: 'rate_limited', reason: 'rate_limited', guard: 'peer.rate' }

test('the certificate that was refused too often, and no other', async ({ site, credential }) => {
  await forget(site)
  const right = credential('peer-b-to-a')
  const attack = right.over(credential.anew('cert-node-b'))

  for (let count = 0; count < most; count += 1) {
    expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(mismatch)
  }

  expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(limited)
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
})

test('the address that was refused too often, and no other', async ({ site, credential }) => {
  await forget(site)
  const right = credential('peer-b-to-a')
  for (const refusals of [most, mostOfAddress - most]) {
    const attack = right.over(credential.anew('cert-node-b'))
    for (let count = 0; count < refusals; count += 1) {
      expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(mismatch)
    }
  }

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeRefused(limited)
  expect(await site.call('auth-b', 'node-a', 'peering:connect', right)).toBeAccepted()
})

test('one upgrade more than may be judged at once', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const [own, key] = [await right.token(), await site.signingKey('auth-a')]
  const callOnce = async (jti: string) => {
    const token = await mutateClaims(own, key, (claims) => ({ ...claims, jti }))
    return { token, call: () => site.call('node-b', 'node-a', 'peering:connect', right.withToken(token, jti)) }
  }
  const calls = await Promise.all(Array.from({ length: most }, (_, at) => callOnce(`waits-${at + 1}`)))
  const oneMore = await callOnce('one-more')
  const asked = new Set([...calls, oneMore].map(({ token }) => token))
  const { issuer, restore } = await site.standInForIssuer('auth-a')
  issuer.script('introspection', ({ body }, honest) => (asked.has(tokenIn(body)) ? 'silence' : { body: honest }))
  const waiting = () =>
    issuer.requests.filter(({ endpoint, body }) => endpoint === 'introspection' && asked.has(tokenIn(body))).length
  // B's own node would dial A again, and take a place for a moment.
  await site.node('node-b').stop('orchestrator')
  await forget(site)

  // As many at once as one address may have handshakes: A gives each call five seconds, which one after the other would use up on slow
  // machines.
  const held = []
  while (held.length < most) {
    held.push(...calls.slice(held.length, held.length + handshakesOfAddress).map(({ call }) => call()))
    await site.until(`${held.length} wait for the auth server`, () => waiting() === held.length, { withinMs: 2_000 })
  }
  expect(await oneMore.call()).toBeRefused(limited)
  await restore()
  for (const verdict of await Promise.all(held)) expect(verdict).toBeRefused(unavailable)
  await site.node('node-b').start('orchestrator')
})

const tokenIn = (body: string) => new URLSearchParams(body).get('token') ?? ''

/** Started anew, A knows nothing of earlier refusals. */
async function forget(site: ScenarioSite): Promise<void> {
  await site.node('node-a').stop('orchestrator')
  await site.node('node-a').start('orchestrator')
}
