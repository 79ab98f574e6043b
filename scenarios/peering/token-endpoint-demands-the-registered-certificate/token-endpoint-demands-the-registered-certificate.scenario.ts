import { credentialOf, expect, issueSelfSigned, type ScenarioSite, scenario, spoiled } from 'holdfast/vitest'

const test = scenario('shared-auth')
const refused = (reason: string) => ({ status: 401, error: 'invalid_client', reason, guard: 'token.client' })

function formFor(site: ScenarioSite): Record<string, string> {
  const resource = credentialOf(site.plan, 'bound-token', 'node-b').resource
  return { grant_type: 'client_credentials', client_id: 'node-b', resource }
}

test('the public listener gives no tokens', async ({ site, credential }) => {
  const own = credential('cert-node-b')
  const form = formFor(site)

  expect(await site.call('node-b', 'auth', 'token:request', own, { form })).toBeAccepted()
  const elsewhere = { form, listener: 'public' }
  expect(await site.call('node-b', 'auth', 'token:request', own, elsewhere)).toBeRefused(refused('cert_missing'))
})

test('no certificate, and the certificate of another client', async ({ site, credential }) => {
  const own = credential('cert-node-b')
  const form = formFor(site)

  const bare = own.withoutCertificate()
  expect(await site.call('node-b', 'auth', 'token:request', bare, { form })).toBeRefused(refused('cert_missing'))
  const other = own.over(credential('cert-node-a'))
  expect(await site.call('node-b', 'auth', 'token:request', other, { form })).toBeRefused(refused('san_mismatch'))
})

test('a client that is not registered, and a secret beside the certificate', async ({ site, credential }) => {
  const own = credential('cert-node-b')
  const form = formFor(site)
  const ask = (change: Record<string, string>) =>
    site.call('node-b', 'auth', 'token:request', own, { form: { ...form, ...change } })

  expect(await ask({})).toBeAccepted()
  expect(await ask({ client_id: 'nobody' })).toBeRefused(refused('client_unknown'))
  expect(await ask({ client_secret: 'secret' })).toBeRefused(refused('method_not_allowed'))
})

test.for([
  ['expired', 'cert_expired'],
  ['notYetValid', 'cert_not_yet_valid'],
] as const)('a certificate of the right CA that is %s', async ([spoiling, reason], { site, credential }) => {
  const { host } = site.node('node-b')
  const own = credential('cert-node-b')
  const form = formFor(site)
  const who = { authority: await site.authority('ca'), subject: host, sans: [host] }

  expect(await site.call('node-b', 'auth', 'token:request', own, { form })).toBeAccepted()
  const outOfTime = own.withCertificate(() => spoiled[spoiling](who), spoiling)
  expect(await site.call('node-b', 'auth', 'token:request', outOfTime, { form })).toBeRefused(refused(reason))
})

test('a self-signed certificate with the right names', async ({ site, credential }) => {
  const host = site.node('node-b').host
  const selfSigned = credential('cert-node-b').withCertificate(() => issueSelfSigned(host, [host]), 'self-signed')

  const verdict = await site.call('node-b', 'auth', 'token:request', selfSigned, { form: formFor(site) })
  expect(verdict).toBeRefused(refused('anchor_mismatch'))
})

test('a pinned client is known by its pin alone', async ({ site, credential }) => {
  const pinned = await issueSelfSigned('pinned', ['pinned.test'])
  const resource = 'https://pinned.test'
  const registration = {
    client_id: 'pinned',
    method: 'self_signed_tls_client_auth',
    pinnedCertificate: pinned.certPem,
    grants: [{ resource, aud: [resource], use: 'node', scopes: ['node:read'], trustedDomains: [], maxTtlSeconds: 60 }],
    introspects: [],
  }
  expect((await site.operator('auth').put('/operator/v1/clients/pinned', registration)).status).toBe(201)
  const form = { grant_type: 'client_credentials', client_id: 'pinned', resource }
  const right = credential('cert-node-b').withCertificate(pinned, 'pinned')

  expect(await site.call('node-b', 'auth', 'token:request', right, { form })).toBeAccepted()
  const unpinned = right.withCertificate(() => issueSelfSigned('pinned', ['pinned.test']), 'unpinned')
  expect(await site.call('node-b', 'auth', 'token:request', unpinned, { form })).toBeRefused(refused('pin_mismatch'))
  await site.operator('auth').delete('/operator/v1/clients/pinned')
})
