import { expect, inspectToken, mutateClaims, scenario, unspoiled } from 'holdfast/vitest'

const test = scenario('separate-auth')

test("a token with Auth-A's name and key id, signed by Auth-B's key, is refused", async ({ site, credential }) => {
  const key = await site.signingKey('auth-b')
  const forged = credential('peer-b-to-a').withToken((token) => mutateClaims(token, key, (claims) => claims), 'forged')

  expect(await site.call('node-b', 'node-a', 'peering:connect', forged)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'signature_invalid',
    guard: 'token.signature',
  })
})

test('nobody asks an issuer that the token names', async ({ site, credential }) => {
  const { address, host } = site.node('node-b')
  const authority = await site.authority('ca-a')
  // It would even be trusted: its certificate comes from A's own CA.
  const certificate = await unspoiled({ authority, subject: host, sans: [host] })
  const listener = await site.listenAsPeer({ address, certificate })
  const key = await site.signingKey('auth-b')
  const iss = `https://${host}:${listener.port}`
  const forged = credential('peer-b-to-a').withToken(
    (token) => mutateClaims(token, key, (claims) => ({ ...claims, iss })),
    'with an issuer of its own',
  )

  expect(await site.call('node-b', 'node-a', 'peering:connect', forged)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'issuer_untrusted',
    guard: 'token.issuer',
  })
  expect(inspectToken(await forged.token())?.claims.iss).toBe(iss)
  expect(listener.connections).toEqual([])
  expect(listener.brokenOff).toEqual([])
})
