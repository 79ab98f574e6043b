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

/** Registers a client that is known by any of these certificates, however they are; answers what it asks with. */
async function pinnedTo(site: ScenarioSite, pinned: readonly { certPem: string }[]): Promise<Record<string, string>> {
  const resource = 'https://pinned.test'
  const registration = {
    client_id: 'pinned',
    method: 'self_signed_tls_client_auth',
    pinnedCertificate: pinned.map(({ certPem }) => certPem),
    grants: [{ resource, aud: [resource], use: 'node', scopes: ['node:read'], trustedDomains: [], maxTtlSeconds: 60 }],
    introspects: [],
  }
  const { status } = await site.operator('auth').put('/operator/v1/clients/pinned', registration)
  expect([200, 201]).toContain(status)
  return { grant_type: 'client_credentials', client_id: 'pinned', resource }
}

test('a pinned client is known by any of its pins, and by nothing else', async ({ site, credential }) => {
  const [first, second] = await Promise.all(['one', 'two'].map((name) => issueSelfSigned(name, ['pinned.test'])))
  const form = await pinnedTo(site, [first!, second!])
  const own = credential('cert-node-b')

  for (const pinned of [first!, second!]) {
    const right = own.withCertificate(pinned, 'pinned')
    expect(await site.call('node-b', 'auth', 'token:request', right, { form })).toBeAccepted()
  }
  const unpinned = own.withCertificate(() => issueSelfSigned('one', ['pinned.test']), 'unpinned')
  expect(await site.call('node-b', 'auth', 'token:request', unpinned, { form })).toBeRefused(refused('pin_mismatch'))
  await site.operator('auth').delete('/operator/v1/clients/pinned')
})

test.for([
  ['expired', 'cert_expired'],
  ['notYetValid', 'cert_not_yet_valid'],
] as const)(
  'a pin makes nothing good of a certificate that is %s',
  async ([spoiling, reason], { site, credential }) => {
    const who = { authority: await site.authority('ca'), subject: 'pinned', sans: ['pinned.test'] }
    const [good, bad] = [await issueSelfSigned('pinned', ['pinned.test']), await spoiled[spoiling](who)]
    const form = await pinnedTo(site, [good, bad])
    const own = credential('cert-node-b')

    const right = own.withCertificate(good, 'pinned')
    expect(await site.call('node-b', 'auth', 'token:request', right, { form })).toBeAccepted()
    const outOfTime = own.withCertificate(bad, spoiling)
    expect(await site.call('node-b', 'auth', 'token:request', outOfTime, { form })).toBeRefused(refused(reason))
    await site.operator('auth').delete('/operator/v1/clients/pinned')
  },
)
