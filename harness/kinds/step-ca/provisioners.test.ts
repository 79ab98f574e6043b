import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import * as x509 from '@peculiar/x509'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Site } from '../../backends/backend.ts'
import { processBackend } from '../../backends/process/index.ts'
import { chainOf } from '../../pki/certificate.ts'
import { credentialKinds } from '../../shipped.ts'
import { sitePreflight } from '../../site/live-site.ts'
import { standInForCa } from '../../site/stand-in.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import { AskedCa, caUrl, grant, planOf, provisioners, subject } from './testing/lab.ts'

let site: Site
let evidence: string
let ca: AskedCa
let key: JWK

beforeAll(async () => {
  evidence = await mkdtemp(join(tmpdir(), 'holdfast-provisioners-'))
  site = await processBackend.launch(planOf(), { evidence })
  const text = await site.node('a').readFile('credentials/fed-provisioner/provisioner.json')
  key = JSON.parse(text) as JWK
  ca = new AskedCa(site, key, await site.node('ca').readFile('units/ca/authority/root.crt'))
})
afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  await rm(evidence, { recursive: true, force: true })
})

const leafOf = ({ certPem }: { certPem: string }) => new x509.X509Certificate(chainOf(certPem)[0]!.raw)
const extensionOf = (leaf: x509.X509Certificate, oid: string) =>
  leaf.extensions.filter(({ type }) => type === oid).map(({ critical, value }) => [critical, Buffer.from(value)])
const utf8 = (text: string) => Buffer.concat([Buffer.from([0x0c, text.length]), Buffer.from(text)])
const decimal = ({ serialNumber }: x509.X509Certificate) => BigInt(`0x${serialNumber}`).toString()
const usagesOf = (leaf: x509.X509Certificate) => leaf.getExtension(x509.ExtendedKeyUsageExtension)?.usages
const crlUrls = (leaf: x509.X509Certificate) =>
  leaf
    .getExtension(x509.CRLDistributionPointsExtension)
    ?.distributionPoints.flatMap((one) =>
      one.distributionPoint?.fullName?.map((name) => name.uniformResourceIdentifier),
    )

async function crl(): Promise<{ pem: string; crl: x509.X509Crl; serials: string[] }> {
  const { status, text: pem } = await ca.get('/1.0/crl?pem=true')
  expect(status).toBe(200)
  const read = new x509.X509Crl(x509.PemConverter.decodeFirst(pem))
  return { pem, crl: read, serials: read.entries.map(({ serialNumber }) => BigInt(`0x${serialNumber}`).toString()) }
}

test('each holder of the key has it alone, private, under its thumbprint, and the CA knows its public half', async () => {
  const known = JSON.parse(await site.node('ca').readFile('units/ca/provisioners/mosaic-fed/public.json')) as JWK
  for (const node of ['a', 'b']) {
    const file = 'credentials/fed-provisioner/provisioner.json'
    expect(JSON.parse(await site.node(node).readFile(file))).toEqual({ ...known, d: expect.any(String) })
    expect((await site.node(node).exec(['stat', '-c', '%a', file])).stdout.trim()).toBe('600')
  }
  expect(key.kid).toBe(await calculateJwkThumbprint(key))
  expect((await sitePreflight(site, credentialKinds)).map(({ check }) => check)).toEqual([])
})

test('no private key lies unencrypted at the CA, and none is read by others', async () => {
  const found = async (...argv: string[]) => (await site.node('ca').exec(argv)).stdout.trim().split('\n').toSorted()
  const keys = ['units/ca/authority/ca.key', 'units/ca/authority/root.key']
  expect(await found('grep', '-rlE', '--exclude-dir=db', 'PRIVATE KEY|"d" *:', 'units/ca')).toEqual(keys)
  expect(await found('grep', '-l', 'ENCRYPTED', ...keys)).toEqual(keys)
  const open = await site.node('ca').exec(['find', '.', '-type', 'f', '-perm', '/077', '-not', '-path', '*/db/*'])
  expect(open.stdout).toBe('')
  expect(await site.node('ca').readFile('units/ca/password')).toMatch(/^[0-9a-f]{48}$/)
})

test('a certificate of a named provisioner is for servers alone, and names that provisioner and the CRL', async () => {
  const leaf = leafOf({ certPem: await site.node('b').readFile('credentials/b-tls/cert.pem') })

  expect(usagesOf(leaf)).toEqual([x509.ExtendedKeyUsage.serverAuth])
  expect(leaf.subject).toBe('CN=b.fed.test')
  expect(crlUrls(leaf)).toEqual([`${caUrl}/1.0/crl`])
  const [[critical, value] = []] = extensionOf(leaf, '1.3.6.1.4.1.37476.9000.64.1')
  expect(critical).toBe(false)
  expect(value?.toString()).toContain('gateway-server')
})

test('a leaf has the two values of the token, and what the template says', async () => {
  const signed = await ca.sign()
  const leaf = leafOf(signed)

  expect(signed.status).toBe(201)
  expect(extensionOf(leaf, '1.3.6.1.4.1.99999.1')).toEqual([[false, utf8(grant)]])
  expect(extensionOf(leaf, '1.3.6.1.4.1.99999.2')).toEqual([[false, utf8(subject)]])
  expect(usagesOf(leaf)).toEqual([x509.ExtendedKeyUsage.clientAuth])
  expect(leaf.subject).toBe('CN=peer.test')
  expect(crlUrls(leaf)).toEqual([`${caUrl}/1.0/crl`])
  const [[, provisioner] = []] = extensionOf(leaf, '1.3.6.1.4.1.37476.9000.64.1')
  expect(provisioner?.toString()).toContain(`mosaic-fed`)
  expect(provisioner?.toString()).toContain(key.kid)
  // What was asked for, and what it is backdated by.
  expect(leaf.notAfter.getTime() - leaf.notBefore.getTime()).toBe(360_000)
})

test.each<[string, Parameters<AskedCa['sign']>[0], number]>([
  ['no grant', { token: { claims: { mosaic_grant_id: undefined } } }, 400],
  ['no subject', { token: { claims: { mosaic_subject_user_id: undefined } } }, 400],
  ['more than 15 minutes', { seconds: 901 }, 403],
  ['the audience of revocation', { token: { audience: 'revoke' } }, 401],
  ['another issuer', { token: { claims: { iss: 'gateway-server' } } }, 401],
  ['another key id', { token: { header: { kid: 'other' } } }, 401],
  ['an end that is over', { token: { claims: { exp: Math.floor(Date.now() / 1000) - 120 } } }, 401],
  ['another CSR', { token: { claims: { cnf: { 'x5rt#S256': 'x'.repeat(43) } } } }, 403],
  [
    'a date before the start of the CA',
    { token: { issuedAt: Math.floor(Date.now() / 1000) - 86_400, claims: { exp: 4_000_000_000 } } },
    401,
  ],
])('a token with %s is refused', async (_, wrong, status) => {
  expect((await ca.sign(wrong)).status).toBe(status)
  expect((await ca.sign()).status).toBe(201)
})

// What is backdated counts for the shortest life, and not for the longest one: with 60 s of that, 30 s are no limit.
test.each([29, 30, 900])('a life of %i s is signed', async (seconds) => {
  expect((await ca.sign({ seconds })).status).toBe(201)
})

test('a token is good once', async () => {
  const { csrPem: csr, ott } = await ca.sign()

  expect((await ca.post('/1.0/sign', { csr, ott, notAfter: '300s' })).status).toBe(401)
})

test('nobody renews at the CA whose provisioner says so', async () => {
  const peer = await ca.sign()
  const server = {
    certPem: await site.node('b').readFile('credentials/b-tls/cert.pem'),
    keyPem: await site.node('b').readFile('credentials/b-tls/key.pem'),
  }

  expect((await ca.post('/1.0/renew', undefined, peer)).status).toBe(401)
  // Of the other provisioner they may be renewed; TLS does not take one for servers alone as that of a client.
  await expect(ca.post('/1.0/renew', undefined, server)).rejects.toThrow()
})

test('the CRL lists whom a token revoked at once, is signed by the issuing CA, and says where it is', async () => {
  const serial = decimal(leafOf(await ca.sign()))
  const before = await crl()
  expect(before.serials).not.toContain(serial)

  const { status, json } = await ca.revoke(serial)
  expect([status, json]).toEqual([200, { status: 'ok' }])
  const after = await crl()
  expect(after.serials).toContain(serial)
  expect(after.pem).toMatch(/^-----BEGIN X509 CRL-----/)
  const issuing = new x509.X509Certificate(await site.node('ca').readFile('units/ca/authority/ca.crt'))
  expect(await after.crl.verify({ publicKey: issuing })).toBe(true)
  expect(after.crl.nextUpdate!.getTime() - after.crl.thisUpdate.getTime()).toBe(3_600_000)
  const idp = after.crl.extensions.find(({ type }) => type === '2.5.29.28')
  expect([idp?.critical, Buffer.from(idp!.value).toString()]).toEqual([
    true,
    expect.stringContaining(`${caUrl}/1.0/crl`),
  ])
  const numberOf = (one: x509.X509Crl) =>
    BigInt(
      `0x${Buffer.from(one.extensions.find(({ type }) => type === '2.5.29.20')!.value)
        .toString('hex')
        .slice(4)}`,
    )
  expect(numberOf(after.crl) > numberOf(before.crl)).toBe(true)
})

test('a revocation needs a token for it and for this serial, and happens once', async () => {
  const serial = decimal(leafOf(await ca.sign()))
  expect((await ca.revoke(serial, { audience: 'sign' })).status).toBe(401)
  expect((await ca.revoke(serial, { subject: '12345' })).status).toBe(403)
  expect((await crl()).serials).not.toContain(serial)

  expect((await ca.revoke(serial)).status).toBe(200)
  expect((await ca.revoke(serial)).status).toBe(400)
})

test('who is told both CRLs refuses a revoked leaf at TLS, and takes any other', async () => {
  const [revoked, other] = [await ca.sign(), await ca.sign()]
  await ca.revoke(decimal(leafOf(revoked)))
  const rootCrl = await site.node('ca').readFile('units/ca/authority/root.crl')
  const both = [rootCrl, (await crl()).pem]

  expect(await accepted(other, both)).toBe('accepted')
  expect(await accepted(revoked, both)).toBe('CERT_REVOKED')
  // Each is needed: OpenSSL asks for that of the root, too.
  expect(await accepted(other, both.slice(1))).toBe('UNABLE_TO_GET_CRL')
})

/** Whether a server that trusts the root and has these CRLs lets a client in, or why not. */
async function accepted({ certPem, keyPem }: { certPem: string; keyPem: string }, crls: string[]): Promise<string> {
  const own = {
    cert: await site.node('b').readFile('credentials/b-tls/cert.pem'),
    key: await site.node('b').readFile('credentials/b-tls/key.pem'),
  }
  const options = { ...own, ca: ca.anchorPem, crl: crls, requestCert: true, rejectUnauthorized: false }
  const server = tls.createServer(options)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = tls.connect({
    port,
    host: '127.0.0.1',
    servername: 'b.fed.test',
    ca: ca.anchorPem,
    cert: certPem,
    key: keyPem,
  })
  client.on('error', () => {})
  const [socket] = (await once(server, 'secureConnection')) as [tls.TLSSocket]
  client.destroy()
  server.close()
  return socket.authorized ? 'accepted' : String(socket.authorizationError)
}

test('restarted with its data the CA has the same root, signs on, and lists whom it revoked', async () => {
  const early = await ca.sign()
  const serial = decimal(leafOf(early))
  await ca.revoke(serial)
  await site.node('ca').stop('ca')
  await site.node('ca').start('ca')

  expect(await site.node('ca').readFile('units/ca/authority/root.crt')).toBe(ca.anchorPem)
  const late = await ca.sign()
  expect(late.status).toBe(201)
  const [issuing] = chainOf(early.certPem).slice(1)
  expect(new X509Certificate(early.certPem).checkIssued(issuing!)).toBe(true)
  expect(chainOf(late.certPem)[1]!.raw).toEqual(issuing!.raw)
  expect((await crl()).serials).toContain(serial)
})

test('a scripted CA takes its place with its key, signs what no CA would, and gives it back', async () => {
  const { ca: scripted, restore } = await standInForCa(site, 'ca')
  const good = leafOf(await ca.sign())
  scripted.spoil('another grant')
  const bad = leafOf(await ca.sign())
  await restore()

  expect(extensionOf(good, '1.3.6.1.4.1.99999.1')).toEqual([[false, utf8(grant)]])
  expect(extensionOf(bad, '1.3.6.1.4.1.99999.1')).not.toEqual([[false, utf8(grant)]])
  const issuing = new x509.X509Certificate(await site.node('ca').readFile('units/ca/authority/ca.crt'))
  expect(await bad.verify({ publicKey: issuing })).toBe(true)
  expect(scripted.requests.map(({ path }) => path)).toEqual(['/1.0/sign', '/1.0/sign'])
  expect((await ca.sign()).status).toBe(201)
})

test.each<[string, Record<string, unknown>, RegExp]>([
  [
    'a default life beyond its limits',
    { provisioners: { p: { claims: { maxTLSCertDuration: '5m' } } } },
    /claims\.defaultTLSCertDuration is 10m and must lie between 10s and 5m/,
  ],
  [
    'a CRL that ends before the next',
    { crl: { cacheDuration: '1h', renewPeriod: '1h' } },
    /crl\.renewPeriod is 1h, so that a CRL would end/,
  ],
  ['a CRL without provisioners', { provisioners: undefined }, /crl.*goes with provisioners/],
  ['a root of the user’s', { root: { cert: 'r.crt', key: 'r.key' } }, /provisioners.*goes without root and url/],
  [
    'usages beside a template',
    { provisioners: { p: { template: 'x', usages: ['clientAuth'] } } },
    /usages.*is what the template says/,
  ],
  ['no provisioner', { provisioners: {} }, /provisioners.*must name at least one/],
  ['a provisioner that is no name', { provisioners: { '../p': {} } }, /must be a name such as/],
])('%s is a mistake of the topology', (_, settings, message) => {
  const told = mistakesIn(() => planOf(settings)).map(({ path, message }) => `${path} ${message}`)
  expect(told.join('\n')).toMatch(message)
})

test('a template can stand in the topology itself, and is that of its file', () => {
  const text = readFileSync(provisioners['mosaic-fed'].template, 'utf8')
  const withText = (text: string) => ({ provisioners: { ...provisioners, 'mosaic-fed': { template: { text } } } })
  const templateOf = (plan: ReturnType<typeof planOf>) =>
    plan.nodes.ca!.units.flatMap(({ files }) => files.filter(({ path }) => path.endsWith('mosaic-fed.tpl')))

  expect(templateOf(planOf(withText(text)))).toEqual([
    { path: '@{unit}/templates/mosaic-fed.tpl', text: text.replace('@{crl_url}', `${caUrl}/1.0/crl`) },
  ])
  const told = mistakesIn(() => planOf(withText('{"x": "@{crl}"}'))).map(({ path, message }) => `${path} ${message}`)
  expect(told.join('\n')).toContain(
    'provisioners.mosaic-fed.template.text @{crl} stands for nothing; there is @{crl_url}',
  )
})

test('a certificate asks its provisioner for no longer life than that signs', () => {
  const short = {
    ...provisioners,
    'gateway-server': { claims: { defaultTLSCertDuration: '1m', maxTLSCertDuration: '5m' } },
  }
  const told = mistakesIn(() => planOf({ provisioners: short })).map(({ message }) => message)

  expect(told).toEqual(Array(2).fill('the CA signs for 10s to 5m, not for 10m'))
})
