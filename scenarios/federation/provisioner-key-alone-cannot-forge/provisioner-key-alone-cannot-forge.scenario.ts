import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { chainOf, expect, scenario, signToken } from 'holdfast/vitest'
import {
  type Caller,
  type CertificateRequest,
  type Federation,
  federation,
  identityFrom,
  provisionerExtension,
  requestFor,
} from '../federation.ts'
import { forbidden, rewritten, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

interface Named {
  readonly commonName: string
  readonly grantId: string
  readonly subjectUserId: string
}

/** What the asking gateway can have made with its own copy of the provisioner's key, whatever it was given that for. */
async function minted(
  federation: Federation,
  { commonName, grantId, subjectUserId }: Named,
  request: CertificateRequest,
) {
  const ca = await federation.atCa()
  const { jwk } = await federation.site.held('fed-provisioner')
  const now = Math.floor(Date.now() / 1000)
  const der = Buffer.from(request.csrPem.replaceAll(/-----.*-----/g, ''), 'base64')
  const claims = {
    ...{ iss: 'mosaic-fed', aud: `https://${ca.endpoint.host}:${ca.endpoint.port}/1.0/sign`, sub: commonName },
    ...{ sans: [commonName], iat: now, nbf: now, exp: now + 60, jti: randomBytes(16).toString('hex') },
    sha: createHash('sha256').update(chainOf(ca.endpoint.anchorPem)[0]!.raw).digest('hex'),
    cnf: { 'x5rt#S256': createHash('sha256').update(der).digest('base64url') },
    ...{ mosaic_grant_id: grantId, mosaic_subject_user_id: subjectUserId },
  }
  const ott = await signToken({ key: jwk!, header: { alg: 'ES256', kid: jwk!.kid, typ: 'JWT' }, claims })
  const json = { csr: request.csrPem, ott, notAfter: '300s' }
  const reply = await ca.call({ method: 'POST', path: '/1.0/sign', json })
  // The CA has nothing against it: that is what the lender is for.
  expect(reply.status, reply.body).toBe(201)
  const { certChain } = reply.json as { certChain: string[] }
  return identityFrom({ certPem: certChain[0]!, certChainPem: certChain.slice(1).join('') }, request.keyPem)
}

/** What the lender goes by in a certificate, but for key, number and time. */
function saidIn(certPem: string): unknown {
  const { subject, subjectAltName, issuer, keyUsage, ca } = new X509Certificate(certPem)
  return { subject, subjectAltName, issuer, keyUsage, ca }
}

test('a certificate for the grant of somebody else, right in all that the CA writes (FED-24)', async ({
  federation,
}) => {
  const victim = await federation.asPeer('scope-all', { subject: 'bob', allowSensitive: true })
  const right = await victim.list('tasks')
  const state = await stateOf(federation, [victim.grant.grantId])

  const { certPem, keyPem } = await minted(federation, victim.grant, await requestFor(victim.grant.commonName))
  expect(saidIn(certPem)).toEqual(saidIn(victim.identity.certPem))
  const forged = await federation.connect({ certificate: certPem, key: keyPem })
  for (const reply of [
    await forged.list('tasks'),
    await forged.get('tasks', right.value.items[0]!.id),
    await forged.search('plan'),
    await forged.capabilities(),
    await forged.renew((await requestFor(victim.grant.commonName)).csrPem),
  ]) {
    await expectRefused(federation, reply, forbidden('grant.certificate', 'cert_unregistered'))
  }

  expect(await stateOf(federation, [victim.grant.grantId])).toEqual(state)
  expect((await victim.list('tasks')).value).toEqual(right.value)
})

test('one for the own grant, past the lender, even for the very key that is registered', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const state = async () => stateOf(federation, [peer.grant.grantId])
  expect((await peer.list('tasks')).status).toBe(200)
  const before = await state()

  for (const request of [await requestFor(peer.grant.commonName), peer.grant.request]) {
    const { certPem, keyPem } = await minted(federation, peer.grant, request)
    const caller = await federation.connect({ certificate: certPem, key: keyPem })
    const reply = await caller.list('tasks')
    await expectRefused(federation, reply, forbidden('grant.certificate', 'cert_unregistered'))
  }
  expect(await state()).toEqual(before)
})

test('the CA renews none by itself, and the lender does (FED-38)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const { commonName, grantId } = peer.grant
  const renewed = (caller: Caller) => caller.call({ method: 'POST', path: '/1.0/renew' })
  expect((await peer.list('tasks')).status).toBe(200)
  const before = await stateOf(federation, [grantId])

  expect((await renewed(await federation.atCa(peer.identity))).status).toBe(401)
  const { csrPem: csr } = await requestFor(commonName)
  const rekeyed = await (await federation.atCa(peer.identity)).call({
    method: 'POST',
    path: '/1.0/rekey',
    json: { csr },
  })
  expect(rekeyed.status).toBe(401)
  expect(await stateOf(federation, [grantId])).toEqual(before)
  // By a provisioner whose certificates it renews, the very same one is: it was asked as it must be.
  const { certificate } = await federation.site.held('gateway-a-tls')
  const raw = chainOf(certificate!.certPem)[0]!.raw.toString('latin1')
  const [, kid] = /gateway-server..([\w-]{43})/s.exec(raw)!
  const added = rewritten(provisionerExtension({ name: 'gateway-server', kid: kid! }))
  const { identity } = await federation.forge(peer, { added })
  expect((await renewed(await federation.atCa(identity))).status).toBe(201)

  const request = await requestFor(commonName)
  const next = await peer.renew(request.csrPem)
  const { certPem, keyPem } = identityFrom(next.value, request.keyPem)
  expect((await (await federation.connect({ certificate: certPem, key: keyPem })).list('tasks')).status).toBe(200)
})
