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

test('nobody asks an issuer that the token names, though it publishes the very key', async ({ site, credential }) => {
  const { seat, host } = site.node('node-b')
  const key = await site.signingKey('auth-b')
  // It would even be trusted: its certificate comes from A's own CA.
  const authority = await site.authority('ca-a')
  const certificate = await unspoiled({ authority, subject: host, sans: [host] })
  const issuer = await site.listenAsIssuer({ seat, host, certificate, keys: [key] })
  const forged = credential('peer-b-to-a').withToken(
    (token) => mutateClaims(token, key, (claims) => ({ ...claims, iss: issuer.url })),
    'with an issuer of its own',
  )

  expect(await site.call('node-b', 'node-a', 'peering:connect', forged)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'issuer_untrusted',
    guard: 'token.issuer',
  })
  expect(inspectToken(await forged.token())?.claims.iss).toBe(issuer.url)
  expect(issuer).toMatchObject({ requests: [], connections: 0, brokenOff: [] })
})
