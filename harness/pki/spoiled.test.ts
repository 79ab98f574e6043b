import { createPrivateKey, sign, verify } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueLeaf, rogueAuthority, type SigningAuthority } from './authority.ts'
import { chainOf, type Identity } from './certificate.ts'
import { pretendingToHold } from './resigned.ts'
import { issueBelowConstraint, type Spoiling, spoiled, unspoiled } from './spoiled.ts'

const names = { subject: 'b.test', sans: ['b.test'] }
let authority: SigningAuthority
let server: tls.Server
let verdicts: (string | undefined)[] = []

beforeAll(async () => {
  authority = await rogueAuthority('Trusted Root')
  const { certPem: cert, keyPem: key } = await unspoiled({ authority, ...names })
  // The listener only writes down what OpenSSL says, so that the reason can be read; it guards nothing.
  const options = { cert, key, ca: authority.anchorPem, requestCert: true, rejectUnauthorized: false }
  server = tls.createServer({ ...options, ciphers: `${tls.DEFAULT_CIPHERS}:@SECLEVEL=0` }, (socket) => {
    verdicts.push(socket.authorized ? undefined : String(socket.authorizationError))
    socket.on('error', () => {})
    socket.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterAll(() => {
  server.close()
})

async function presented(identity: Identity): Promise<string | undefined> {
  verdicts = []
  const socket = tls.connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: 'b.test',
    ca: authority.anchorPem,
    cert: identity.certPem,
    key: identity.keyPem,
    ciphers: `${tls.DEFAULT_CIPHERS}:@SECLEVEL=0`,
  })
  socket.resume()
  await once(socket, 'close')
  expect(verdicts).toHaveLength(1)
  return verdicts[0]
}

test('an unspoiled leaf is trusted', async () => {
  expect(await presented(await unspoiled({ authority, ...names }))).toBeUndefined()
})

test.each<[Spoiling, string | undefined]>([
  ['expired', 'CERT_HAS_EXPIRED'],
  ['notYetValid', 'CERT_NOT_YET_VALID'],
  ['otherCa', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['serverAuthOnly', 'INVALID_PURPOSE'],
  ['selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  // Node has no name for these two codes of OpenSSL (invalid CA, unhandled critical extension).
  ['leafSignedByLeaf', 'UNSPECIFIED'],
  ['unknownCritical', 'UNSPECIFIED'],
  ['ownOidCritical', 'UNSPECIFIED'],
  ['codeSigningOnly', 'INVALID_PURPOSE'],
  ['belowPathLength', 'PATH_LENGTH_EXCEEDED'],
  ['outsidePermittedNames', 'UNSPECIFIED'],
  // OpenSSL lets these pass: the node has to look for itself.
  ['noEku', undefined],
  ['cnOnly', undefined],
  ['weakKey', undefined],
  ['sha1Signed', undefined],
  ['md5Signed', undefined],
  ['clientAuthOnly', undefined],
])('%s is refused by OpenSSL as %s', async (spoiling, verdict) => {
  expect(await presented(await spoiled[spoiling]({ authority, ...names }))).toBe(verdict)
})

test('a leaf within the names that its authority may sign for is trusted', async () => {
  expect(await presented(await issueBelowConstraint({ authority, ...names }, 'b.test'))).toBeUndefined()
})

test('each spoiling shows in the certificate', async () => {
  const who = { authority, ...names }
  const [cnOnly] = chainOf((await spoiled.cnOnly(who)).certPem)
  const [noEku] = chainOf((await spoiled.noEku(who)).certPem)
  const [weak] = chainOf((await spoiled.weakKey(who)).certPem)
  expect(cnOnly).toMatchObject({ subject: 'CN=b.test', subjectAltName: undefined })
  expect(noEku?.keyUsage).toBeUndefined()
  expect(weak?.publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 1024 })
  const [curve] = chainOf((await spoiled.weakCurve(who)).certPem)
  const [unusual] = chainOf((await spoiled.unusualCurve(who)).certPem)
  expect(curve?.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime192v1' })
  expect(unusual?.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'secp256k1' })
  const [sha1] = chainOf((await spoiled.sha1Signed(who)).certPem)
  const [md5, issuer] = chainOf((await spoiled.md5Signed(who)).certPem)
  expect(sha1?.signatureAlgorithm).toBe('ecdsa-with-SHA1')
  expect(sha1?.verify(chainOf(authority.anchorPem)[0]!.publicKey)).toBe(true)
  expect(md5?.signatureAlgorithm).toBe('md5WithRSAEncryption')
  expect(md5?.verify(issuer!.publicKey)).toBe(true)
})

test('a key that pretends to be another one fits its certificate, and signs with what it has', async () => {
  const [victim, own] = await Promise.all([1, 2].map(() => unspoiled({ authority, ...names })))
  const [certificate] = chainOf(victim!.certPem)
  const pretended = createPrivateKey(pretendingToHold(certificate!.publicKey, own!.keyPem))

  expect(certificate?.checkPrivateKey(pretended)).toBe(true)
  const signature = sign('sha256', Buffer.from('x'), pretended)
  expect(verify('sha256', Buffer.from('x'), certificate!.publicKey, signature)).toBe(false)
  expect(verify('sha256', Buffer.from('x'), chainOf(own!.certPem)[0]!.publicKey, signature)).toBe(true)
})

test('names of any kind and bytes stand in a certificate as they are given', async () => {
  const sans = ['b.test\0.evil.test', 'x, DNS:b.test', { type: 'email', value: 'b@b.test' } as const]
  const subject = [{ O: ['org'] }, { CN: ['a'], OU: ['u'] }, { CN: ['a, CN=b'] }]
  const [leaf] = chainOf((await issueLeaf({ authority, subject, sans })).certPem)

  expect(leaf?.subject).toBe('O=org\nCN=a + OU=u\nCN=a\\, CN=b')
  expect(leaf?.subjectAltName).toBe('DNS:"b.test\\u0000.evil.test", DNS:"x\\u002c DNS:b.test", email:b@b.test')
})
