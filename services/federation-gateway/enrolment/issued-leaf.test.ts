import type { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import * as made from '../testing/certificates.ts'
import { x509 } from '../testing/certificates.ts'
import { type AskedLeaf, enrCaLeaf, type IssuedLeaf, type IssuingTrust, issuedLeafProblem } from './issued-leaf.ts'

const { NOW, OIDS, PEER } = made
let root: made.TestCa
let intermediate: made.TestCa
let keys: made.Keys
let asked: AskedLeaf
let trust: IssuingTrust

beforeAll(async () => {
  root = await made.rootCa('root', { pathLength: 1 })
  intermediate = await root.sub('intermediate', { pathLength: 0 })
  keys = await made.makeKeys()
  asked = {
    publicKey: made.publicKeyOf(keys),
    commonName: PEER,
    grantId: made.GRANT,
    subjectUserId: made.SUBJECT,
    seconds: 300,
  }
  trust = { root: root.certificate, oids: OIDS, provisioner: made.PROVISIONER, now: NOW }
})

async function judged(chain: X509Certificate[], change: Partial<IssuedLeaf> = {}) {
  const issued = { chain, asked, trust, isSerialKnown: async () => false, ...change }
  const refusal = await enrCaLeaf.check(issued)
  if (refusal !== undefined) expect(refusal).toMatchObject({ status: 503, error: 'dependency_unavailable' })
  return refusal?.reason
}
const issue = (changes: made.LeafChanges = {}) => intermediate.issue({ keys, ...changes })
const above = () => [intermediate.certificate]

test('what was asked for passes, with its chain and with the root at the end of it', async () => {
  const leaf = await issue()
  expect(await judged([leaf, ...above()])).toBeUndefined()
  expect(await judged([leaf, ...above(), root.certificate])).toBeUndefined()
  const direct = await root.issue({ keys })
  expect(await judged([direct])).toBeUndefined()
})

describe('issued_chain', () => {
  test('no chain, half a chain, or one in another order', async () => {
    const leaf = await issue()
    for (const chain of [
      [],
      [leaf],
      [intermediate.certificate, leaf],
      [leaf, root.certificate],
      [leaf, ...above(), ...above()],
    ]) {
      expect(await judged(chain)).toBe('issued_chain')
    }
    expect(await judged([root.certificate])).toBe('issued_chain')
  })

  test('another CA of the same names', async () => {
    const otherRoot = await made.rootCa('root')
    const other = await otherRoot.sub('intermediate')
    const leaf = await other.issue({ keys })
    expect(await judged([leaf, other.certificate])).toBe('issued_chain')
    expect(await judged([leaf, other.certificate, otherRoot.certificate])).toBe('issued_chain')
    expect(await judged([leaf, ...above()])).toBe('issued_chain')
  })

  test('issued by what is no CA, or may have none below it', async () => {
    const noCa = await root.sub('no-ca', { isCa: false })
    expect(await judged([await noCa.issue({ keys }), noCa.certificate])).toBe('issued_chain')
    const third = await intermediate.sub('third')
    expect(await judged([await third.issue({ keys }), third.certificate, ...above()])).toBe('issued_chain')
  })

  test('an extension that is there twice: OpenSSL takes such a certificate for broken', async () => {
    expect(await judged([await issue({ more: [made.namesExtension(['dns', PEER])] }), ...above()])).toBe('issued_chain')
  })

  test('an intermediate whose time is over or has not come', async () => {
    const [ended, early] = await Promise.all([
      root.sub('ended', { notAfter: new Date(NOW) }),
      root.sub('early', { notBefore: new Date(NOW + 1000) }),
    ])
    for (const ca of [ended, early])
      expect(await judged([await ca.issue({ keys }), ca.certificate])).toBe('issued_chain')
  })
})

test('issued_key_mismatch: for another key than that of the CSR', async () => {
  expect(await judged([await issue({ keys: await made.makeKeys() }), ...above()])).toBe('issued_key_mismatch')
})

describe('issued_profile', () => {
  test.each<[string, made.LeafChanges]>([
    ['another common name', { subject: 'CN=gateway-b.example' }],
    ['another SAN', { extensions: { names: made.namesExtension(['dns', 'gateway-b.example']) } }],
    ['a SAN more', { extensions: { names: made.namesExtension(['dns', PEER], ['dns', 'gateway-b.example']) } }],
    [
      'both of another name',
      { subject: 'CN=gateway-b.example', extensions: { names: made.namesExtension(['dns', 'gateway-b.example']) } },
    ],
    ['no purpose', { extensions: { purpose: undefined } }],
    [
      'the purpose of servers, too',
      {
        extensions: {
          purpose: new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.clientAuth,
            x509.ExtendedKeyUsage.serverAuth,
          ]),
        },
      },
    ],
    ['a CA', { extensions: { constraints: new x509.BasicConstraintsExtension(true) } }],
    ['no provisioner', { extensions: { provisioner: undefined } }],
    [
      'another provisioner',
      { extensions: { provisioner: made.provisionerExtension({ ...made.PROVISIONER, name: 'other' }) } },
    ],
    [
      'another key of the provisioner',
      { extensions: { provisioner: made.provisionerExtension({ ...made.PROVISIONER, kid: 'other' }) } },
    ],
  ])('with %s', async (_, changes) => {
    expect(await judged([await issue(changes), ...above()])).toBe('issued_profile')
  })

  test('with a serial number that was there before', async () => {
    const leaf = await issue({ serial: '00ab0f' })
    const known = (serial: string) => ({ isSerialKnown: async (asked: string) => asked === serial })
    expect(await judged([leaf, ...above()], known('ab0f'))).toBe('issued_profile')
    expect(await judged([leaf, ...above()], known('ab0e'))).toBeUndefined()
  })
})

test.each<[string, made.LeafChanges['extensions'], x509.Extension[]]>([
  ['no grant', { grant: undefined }, []],
  ['no subject', { subject: undefined }, []],
  ['neither', { grant: undefined, subject: undefined }, []],
  ['another grant', { grant: made.uuidExtension(OIDS.grant, made.SUBJECT) }, []],
  ['another subject', { subject: made.uuidExtension(OIDS.subject, made.GRANT) }, []],
  [
    'the two in each other’s place',
    { grant: made.uuidExtension(OIDS.grant, made.SUBJECT), subject: made.uuidExtension(OIDS.subject, made.GRANT) },
    [],
  ],
  ['the grant twice', {}, [made.uuidExtension(OIDS.grant, made.GRANT)]],
  ['the subject twice', {}, [made.uuidExtension(OIDS.subject, made.SUBJECT)]],
  ['a grant that cannot be read', { grant: made.uuidExtension(OIDS.grant, `${made.GRANT} `) }, []],
])('issued_oid_mismatch: with %s', async (_, extensions, more) => {
  expect(await judged([await issue({ extensions, more }), ...above()])).toBe('issued_oid_mismatch')
})

describe('issued_validity', () => {
  const at = (from: number, to: number) =>
    issue({ notBefore: new Date(NOW + from * 1000), notAfter: new Date(NOW + to * 1000) })

  test('over, or still to come', async () => {
    expect(await judged([await at(-300, 0), ...above()])).toBe('issued_validity')
    expect(await judged([await at(1, 300), ...above()])).toBe('issued_validity')
    expect(await judged([await at(0, 300), ...above()])).toBeUndefined()
    expect(await judged([await at(-300, 1), ...above()])).toBeUndefined()
  })

  test('two minutes longer than was asked for, and no more', async () => {
    expect(await judged([await at(-60, 360), ...above()])).toBeUndefined()
    expect(await judged([await at(-60, 361), ...above()])).toBe('issued_validity')
    expect(await judged([await at(-60, 3600), ...above()])).toBe('issued_validity')
  })
})

test('whoever is not told the provisioner does not judge it, and all else', async () => {
  const untold = { ...trust, provisioner: undefined }
  const leaf = await issue({ extensions: { provisioner: undefined } })
  expect(issuedLeafProblem([leaf, ...above()], asked, untold)).toBeUndefined()
  const odd = await issue({ subject: 'CN=gateway-b.example' })
  expect(issuedLeafProblem([odd, ...above()], asked, untold)).toBe('name')
  const names = made.namesExtension(['dns', 'gateway-b.example'])
  expect(issuedLeafProblem([await issue({ extensions: { names } }), ...above()], asked, untold)).toBe('name')
})

test('what cannot be read is refused, and fails nobody', async () => {
  const odd = (extension: string) => ({ constraints: new x509.Extension(extension, false, Buffer.from('ff', 'hex')) })
  expect(await judged([await issue({ extensions: odd('2.5.29.19') }), ...above()])).toMatch(/^issued_(chain|profile)$/)
  expect(await judged([await issue({ extensions: odd('2.5.29.37') }), ...above()])).toMatch(/^issued_(chain|profile)$/)
  const strangeKey = { ...keys, publicKey: new x509.PublicKey(unknownAlgorithm(await made.spkiOf(keys))) as never }
  expect(await judged([await issue({ keys: strangeKey }), ...above()])).toMatch(/^issued_(chain|profile)$/)
  const strangeCa = await root.sub('strange', { keys: { ...(await made.makeKeys()), publicKey: strangeKey.publicKey } })
  expect(await judged([await strangeCa.issue({ keys }), strangeCa.certificate])).toBe('issued_chain')
})

/** A key of an algorithm that nobody has: id-ecPublicKey with another last number. */
function unknownAlgorithm(spki: Buffer): Buffer {
  const changed = Buffer.from(spki)
  changed[changed.indexOf(Buffer.from('06072a8648ce3d0201', 'hex')) + 8] = 0x7f
  return changed
}
