import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { firstRefusal } from '../../shared/guard.ts'
import * as made from '../testing/certificates.ts'
import { x509 } from '../testing/certificates.ts'
import { CERTIFICATE_GUARDS, type CertificateContext, identityIn } from './guards.ts'
import { readLeaf } from './leaf.ts'

const { NOW, OIDS, PEER, PROVISIONER } = made
const policy = { provisioner: { name: PROVISIONER.name, kids: new Set([PROVISIONER.kid]) }, oids: OIDS }

function contextOf(
  certificate: X509Certificate | undefined,
  change: Partial<CertificateContext> = {},
): CertificateContext {
  const connection = {
    authorized: true,
    isSessionReused: () => false,
    getPeerX509Certificate: () => certificate,
  }
  return { connection, policy, now: () => NOW, ...change }
}

async function judged(certificate: X509Certificate | undefined, change?: Partial<CertificateContext>) {
  const found = await firstRefusal(CERTIFICATE_GUARDS, contextOf(certificate, change))
  return found && { guard: found.guard, ...found.refusal }
}
const unauthorized = (guard: string, reason: string) => ({ guard, reason, status: 401, error: 'unauthorized' })

let ca: made.TestCa
let good: X509Certificate
beforeAll(async () => {
  ca = await made.rootCa('ca')
  good = await ca.issue()
})

test('a certificate as our provisioner has it made passes, and names its grant and subject', async () => {
  expect(await judged(good)).toBeUndefined()
  expect(identityIn(contextOf(good))).toEqual({
    x5t: made.sha256(good.raw),
    serial: good.serialNumber.toLowerCase().replace(/^0+/, ''),
    commonName: PEER,
    grantId: made.GRANT,
    subjectUserId: made.SUBJECT,
  })
})

describe('cert.proven', () => {
  const refusal = unauthorized('cert.proven', 'cert_not_proven')
  const connection = (change: object) => ({ connection: { ...contextOf(good).connection, ...change } })

  test('refuses what TLS has not proven', async () => {
    expect(await judged(good, connection({ authorized: false }))).toEqual(refusal)
  })
  test('refuses a resumed session', async () => {
    expect(await judged(good, connection({ isSessionReused: () => true }))).toEqual(refusal)
  })
  test('refuses a connection without a certificate', async () => {
    expect(await judged(undefined)).toEqual(refusal)
  })
})

test('cert.live: ends with the certificate, to the millisecond', async () => {
  const end = good.validToDate.getTime()
  expect(await judged(good, { now: () => end - 1 })).toBeUndefined()
  expect(await judged(good, { now: () => end })).toEqual(unauthorized('cert.live', 'cert_ended'))
})

describe('cert.profile', () => {
  const purposes = (...list: string[]) => new x509.ExtendedKeyUsageExtension(list)
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage
  const profile: [string, () => Promise<made.LeafChanges> | made.LeafChanges][] = [
    ['a CA', () => ({ extensions: { constraints: new x509.BasicConstraintsExtension(true, undefined, true) } })],
    ['no purpose', () => ({ extensions: { purpose: undefined } })],
    ['the purpose of servers', () => ({ extensions: { purpose: purposes(serverAuth) } })],
    ['both purposes', () => ({ extensions: { purpose: purposes(clientAuth, serverAuth) } })],
    ['any purpose', () => ({ extensions: { purpose: purposes('2.5.29.37.0') } })],
    ['its purpose twice', () => ({ extensions: { purpose: purposes(clientAuth, clientAuth) } })],
    ['two extensions on its purpose', () => ({ more: [purposes(clientAuth)] })],
    ['no usage', () => ({ extensions: { usage: undefined } })],
    [
      'a usage that does not sign',
      () => ({ extensions: { usage: new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyAgreement) } }),
    ],
    ['no common name', () => ({ subject: `O=${PEER}` })],
    ['two common names', () => ({ subject: `CN=${PEER}, CN=${PEER}` })],
    ['no SAN', () => ({ extensions: { names: undefined } })],
    ['another SAN', () => ({ extensions: { names: made.namesExtension(['dns', 'gateway-b.example']) } })],
    ['a SAN in other letters', () => ({ extensions: { names: made.namesExtension(['dns', 'Gateway-A.example']) } })],
    ['two SANs', () => ({ extensions: { names: made.namesExtension(['dns', PEER], ['dns', 'gateway-b.example']) } })],
    [
      'an address beside its SAN',
      () => ({ extensions: { names: made.namesExtension(['dns', PEER], ['ip', '10.0.0.1']) } }),
    ],
    ['its name as that of a mailbox', () => ({ extensions: { names: made.namesExtension(['email', PEER]) } })],
    ['its SAN twice', () => ({ extensions: { names: made.namesExtension(['dns', PEER], ['dns', PEER]) } })],
    ['two extensions of SANs', () => ({ more: [made.namesExtension(['dns', PEER])] })],
    ['a key on P-521', async () => ({ keys: await made.makeKeys(made.P521) })],
    ['a key of Ed25519', async () => ({ keys: await made.makeKeys(made.ED25519) })],
    ['an RSA key of 1024 bits', async () => ({ keys: await made.makeKeys(made.rsa(1024)) })],
  ]
  test.each(profile)('refuses %s', async (_, changes) => {
    expect(await judged(await ca.issue(await changes()))).toEqual(unauthorized('cert.profile', 'cert_profile'))
  })

  test.each<[string, () => Promise<made.Keys>]>([
    ['on P-384', () => made.makeKeys(made.P384)],
    ['of RSA with 2048 bits', () => made.makeKeys(made.rsa(2048))],
  ])('takes a key %s', async (_, keys) => {
    expect(await judged(await ca.issue({ keys: await keys() }))).toBeUndefined()
  })

  test('takes a certificate that does not say that it is no CA', async () => {
    expect(await judged(await ca.issue({ extensions: { constraints: undefined } }))).toBeUndefined()
  })

  test('refuses what cannot be read', async () => {
    const names = new x509.Extension('2.5.29.17', false, Buffer.from('3000ff', 'hex'))
    const odd = await ca.issue({ extensions: { names } })
    expect(await judged(odd)).toEqual(unauthorized('cert.profile', 'cert_profile'))
  })
})

describe('cert.provisioner', () => {
  const refusal = unauthorized('cert.provisioner', 'cert_provisioner')
  const issued = (provisioner: x509.Extension | undefined) => ca.issue({ extensions: { provisioner } })

  test('refuses a certificate of another provisioner, kind or key', async () => {
    const { name, kid } = PROVISIONER
    expect(await judged(await issued(undefined))).toEqual(refusal)
    expect(await judged(await issued(made.provisionerExtension({ name: 'gateway-server', kid })))).toEqual(refusal)
    expect(await judged(await issued(made.provisionerExtension({ name, kid: 'j'.repeat(43) })))).toEqual(refusal)
    expect(await judged(await issued(made.provisionerExtension({ name, kid: '' })))).toEqual(refusal)
    expect(await judged(await issued(made.provisionerExtension(PROVISIONER, 6)))).toEqual(refusal)
    expect(await judged(await ca.issue({ more: [made.provisionerExtension()] }))).toEqual(refusal)
  })

  test('takes both keys while the provisioner changes its own', async () => {
    const kid = 'j'.repeat(43)
    const both = { ...policy, provisioner: { name: PROVISIONER.name, kids: new Set([PROVISIONER.kid, kid]) } }
    const next = await issued(made.provisionerExtension({ name: PROVISIONER.name, kid }))
    expect([await judged(good, { policy: both }), await judged(next, { policy: both })]).toEqual([undefined, undefined])
  })
})

describe.each([
  ['grant', OIDS.grant, made.GRANT],
  ['subject', OIDS.subject, made.SUBJECT],
] as const)('cert.oid-%s', (name, oid, uuid) => {
  const refusal = (problem: string) => unauthorized(`cert.oid-${name}`, `oid_${name}_${problem}`)

  test('refuses a certificate without it', async () => {
    expect(await judged(await ca.issue({ extensions: { [name]: undefined } }))).toEqual(refusal('missing'))
  })
  test('refuses one that has it twice', async () => {
    expect(await judged(await ca.issue({ more: [made.uuidExtension(oid, uuid)] }))).toEqual(refusal('repeated'))
  })
  test.each(['', uuid.toUpperCase(), '00000000-0000-0000-0000-000000000000', 'alice', `${uuid}\n`])(
    'refuses one that says %j',
    async (text) => {
      const extension = made.uuidExtension(oid, text)
      expect(await judged(await ca.issue({ extensions: { [name]: extension } }))).toEqual(refusal('malformed'))
    },
  )
  test('refuses one of another string type', async () => {
    const printable = Buffer.concat([Buffer.from([0x13, 36]), Buffer.from(uuid)])
    const extension = new x509.Extension(oid, false, printable)
    expect(await judged(await ca.issue({ extensions: { [name]: extension } }))).toEqual(refusal('malformed'))
  })
  test('reads the OID that is configured', async () => {
    const oids = { ...OIDS, [name]: '1.3.6.1.4.1.55555.9' }
    expect(await judged(good, { policy: { ...policy, oids } })).toEqual(refusal('missing'))
    const other = await ca.issue({ extensions: { [name]: made.uuidExtension('1.3.6.1.4.1.55555.9', uuid) } })
    expect(await judged(other, { policy: { ...policy, oids } })).toBeUndefined()
  })
})

test('the first check that fails gives the reason', async () => {
  const bad = await ca.issue({
    extensions: { purpose: undefined, provisioner: undefined, grant: undefined, subject: undefined },
  })
  expect(await judged(bad, { now: () => NOW + 1e9 })).toMatchObject({ guard: 'cert.live' })
  expect(await judged(bad)).toMatchObject({ guard: 'cert.profile' })
  const later = await ca.issue({ extensions: { grant: undefined, subject: undefined } })
  expect(await judged(later)).toMatchObject({ guard: 'cert.oid-grant' })
  expect(await judged(await ca.issue({ extensions: { provisioner: undefined, grant: undefined } }))).toMatchObject({
    guard: 'cert.provisioner',
  })
})

test('the serial number has the form that is stored', async () => {
  expect(readLeaf(await ca.issue({ serial: '00ab0f' }))?.serial).toBe('ab0f')
})

test('a certificate is read once, in however many connections it comes, and each other one for itself', async () => {
  expect(readLeaf(new X509Certificate(good.raw))).toBe(readLeaf(good))
  const other = await ca.issue({ subject: 'CN=other.test' })
  expect([readLeaf(other), readLeaf(good)]).toMatchObject([{ commonNames: ['other.test'] }, { commonNames: [PEER] }])
})
