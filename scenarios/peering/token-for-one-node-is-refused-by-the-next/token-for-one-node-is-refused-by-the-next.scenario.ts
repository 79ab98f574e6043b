import { expect, mutateClaims, scenario } from 'holdfast/vitest'

// The auth server of this topology mints node tokens for all nodes at once, so one for a single node is forged with its key.
const test = scenario('shared-auth', { set: { nodes: 3, validation: 'jwks' } })

test("B's token for A is refused by C", async ({ site, credential }) => {
  const key = await site.signingKey('auth')
  const right = credential('node-b')
  const forA = right.withToken(
    (token) => mutateClaims(token, key, (claims) => ({ ...claims, aud: `https://${site.node('node-a').host}` })),
    'for node-a only',
  )

  expect(await site.call('node-b', 'node-a', 'peering:connect', forA)).toBeAccepted()
  expect(await site.call('node-b', 'node-c', 'peering:connect', forA)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'audience_mismatch',
    guard: 'token.audience',
  })
})

test.for([
  { aud: 'https://node-c.somebiz.local.io.evil.test' },
  { aud: 'https://NODE-C.somebiz.local.io' },
  { aud: 'https://node-c.somebiz.local.io/' },
  { aud: '' },
  { aud: [] },
])('an audience that is almost right: $aud', async ({ aud }, { site, credential }) => {
  const key = await site.signingKey('auth')
  const almost = credential('node-b').withToken(
    (token) => mutateClaims(token, key, (claims) => ({ ...claims, aud })),
    `for ${JSON.stringify(aud)}`,
  )

  const verdict = await site.call('node-b', 'node-c', 'peering:connect', almost)
  const reason = aud.length === 0 ? 'claim_invalid' : 'audience_mismatch'
  expect(verdict).toBeRefused({ status: 401, error: 'invalid_token', reason })
})
