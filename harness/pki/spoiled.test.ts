import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rogueAuthority, type SigningAuthority } from './authority.ts'
import { chainOf, type Identity } from './certificate.ts'
import { type Spoiling, spoiled, unspoiled } from './spoiled.ts'

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
  // OpenSSL lets these pass: the node has to look for itself.
  ['noEku', undefined],
  ['cnOnly', undefined],
  ['weakKey', undefined],
])('%s is refused by OpenSSL as %s', async (spoiling, verdict) => {
  expect(await presented(await spoiled[spoiling]({ authority, ...names }))).toBe(verdict)
})

test('each spoiling shows in the certificate', async () => {
  const who = { authority, ...names }
  const [cnOnly] = chainOf((await spoiled.cnOnly(who)).certPem)
  const [noEku] = chainOf((await spoiled.noEku(who)).certPem)
  const [weak] = chainOf((await spoiled.weakKey(who)).certPem)
  expect(cnOnly).toMatchObject({ subject: 'CN=b.test', subjectAltName: undefined })
  expect(noEku?.keyUsage).toBeUndefined()
  expect(weak?.publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 1024 })
})
