import { expect, mutateClaims, type ScenarioSite, scenario } from 'holdfast/vitest'

const most = 10
const mostOfAddress = 15
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
  const { issuer, restore } = await site.standInForIssuer('auth-a')
  await forget(site)
  const asked = new Set<string>()
  issuer.script('introspection', ({ body }, honest) => {
    const token = new URLSearchParams(body).get('token') ?? ''
    return asked.has(token) ? 'silence' : { body: honest }
  })
  const call = async (jti: string) => {
    const token = await mutateClaims(own, key, (claims) => ({ ...claims, jti }))
    asked.add(token)
    return site.call('node-b', 'node-a', 'peering:connect', right.withToken(token, jti))
  }
  const waiting = () =>
    issuer.requests.filter(({ endpoint, body }) => {
      return endpoint === 'introspection' && asked.has(new URLSearchParams(body).get('token') ?? '')
    }).length

  const held = []
  for (let at = 1; at <= most; at += 1) {
    held.push(call(`waits-${at}`))
    await site.until(`${at} wait for the auth server`, () => waiting() === at, { withinMs: 2_000 })
  }
  expect(await call('one-more')).toBeRefused(limited)
  await restore()
  for (const verdict of await Promise.all(held)) expect(verdict).toBeRefused(unavailable)
})

/** Started anew, A knows nothing of earlier refusals. */
async function forget(site: ScenarioSite): Promise<void> {
  await site.node('node-a').stop('orchestrator')
  await site.node('node-a').start('orchestrator')
}
