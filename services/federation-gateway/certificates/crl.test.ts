import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { beforeAll, describe, expect, test } from 'vitest'
import * as made from '../testing/certificates.ts'
import { x509 } from '../testing/certificates.ts'
import { CrlRefused, type CrlTrust, readCrl } from './crl.ts'
import { elementsOf, onlyElement } from './der.ts'
import { pemOf } from './pem.ts'

const { NOW, POINT } = made
let ca: made.TestCa
let trust: CrlTrust
beforeAll(async () => {
  ca = await made.rootCa('ca')
  trust = { issuer: ca.certificate, distributionPoint: POINT, now: NOW }
})

async function judged(changes: made.CrlChanges = {}, change: Partial<CrlTrust> = {}) {
  return refusalOf(await ca.crl(changes), change)
}
function refusalOf(bytes: Uint8Array, change: Partial<CrlTrust> = {}) {
  try {
    readCrl(bytes, { ...trust, ...change })
    return undefined
  } catch (cause) {
    if (!(cause instanceof CrlRefused)) throw cause
    return `${cause.reason}: ${cause.message}`
  }
}

describe('a list', () => {
  test('of the issuer, for the leaves, signed and fresh, is taken in either form', async () => {
    const der = await ca.crl({ serials: ['00ab0f', '05'], number: 7 })
    const list = readCrl(der, trust)
    expect({
      number: list.number,
      serials: [...list.serials],
      thisUpdate: list.thisUpdate,
      nextUpdate: list.nextUpdate,
    }).toEqual({
      ...{ number: 7n, serials: ['ab0f', '5'] },
      ...{ thisUpdate: new Date(NOW - 60_000), nextUpdate: new Date(NOW + 3_600_000) },
    })
    expect(list.pem).toMatch(/^-----BEGIN X509 CRL-----\n[\s\S]*\n-----END X509 CRL-----\n$/)
    expect(readCrl(Buffer.from(list.pem), trust)).toEqual(list)
    expect(list.hash).toBe(made.sha256(der))
  })

  test('of a root has no distribution point', async () => {
    expect(await judged({ point: undefined }, { distributionPoint: undefined })).toBeUndefined()
  })

  test.each([
    ['another CA of the same name', async () => ({ signedBy: (await made.rootCa('ca')).keys }), 'signature'],
    ['another issuer', async () => ({ issuer: 'other' }), 'another issuer'],
  ] as const)('of %s is not', async (_, changes, why) => {
    expect(await judged(await changes())).toMatch(new RegExp(`^crl_untrusted: .*${why}`))
  })

  test('that was changed is not, wherever', async () => {
    const der = await ca.crl({ serials: ['ab0f'] })
    for (let at = 0; at < der.length; at += 3) {
      const changed = Buffer.from(der)
      changed[at]! ^= 0x01
      expect([at, refusalOf(changed)?.split(':')[0]]).toEqual([at, 'crl_untrusted'])
    }
  })

  test.each<[string, (der: Buffer) => Uint8Array]>([
    ['nothing', () => Buffer.alloc(0)],
    ['half of it', (der) => der.subarray(0, der.length / 2)],
    ['a byte less', (der) => der.subarray(0, -1)],
    ['a byte more', (der) => Buffer.concat([der, Buffer.alloc(1)])],
    ['itself twice', (der) => Buffer.concat([der, der])],
    ['a page', () => Buffer.from('<html>404</html>')],
    ['a certificate', () => ca.certificate.raw],
    ['another label', (der) => Buffer.from(pemOf(der, 'X509 CRL').replaceAll('X509 CRL', 'CRL'))],
  ])('that is %s cannot be read', async (_, change) => {
    expect(refusalOf(change(await ca.crl()))).toMatch(/^crl_untrusted: .*(cannot be read|another issuer|signature)/)
  })
})

describe('the time of a list', () => {
  test('is over at nextUpdate', async () => {
    expect(await judged({ nextUpdate: new Date(NOW + 1000) })).toBeUndefined()
    expect(await judged({ nextUpdate: new Date(NOW) })).toMatch(/^crl_stale/)
  })
  test('must be told', async () => {
    expect(await judged({ nextUpdate: undefined })).toMatch(/^crl_untrusted: .*when the next one comes/)
  })
  test('may be a minute ahead, as clocks differ', async () => {
    expect(await judged({ thisUpdate: new Date(NOW + 60_000) })).toBeUndefined()
    expect(await judged({ thisUpdate: new Date(NOW + 61_000) })).toMatch(/^crl_untrusted: .*future/)
  })
})

describe('a list after another one', () => {
  const previous = { number: 7n, thisUpdate: new Date(NOW - 60_000) }

  test('has its number or a higher one', async () => {
    expect(await judged({ number: 7 }, { previous })).toBeUndefined()
    expect(await judged({ number: 8 }, { previous })).toBeUndefined()
    expect(await judged({ number: 6 }, { previous })).toMatch(/^crl_untrusted: .*number 6 is below 7/)
    expect(await judged({ number: undefined }, { previous })).toMatch(/^crl_untrusted: .*no number/)
  })

  test('is not older', async () => {
    expect(await judged({ number: 8, thisUpdate: new Date(NOW - 61_000) }, { previous })).toMatch(
      /^crl_untrusted: .*older/,
    )
  })

  test('is told as too low, also when its time is over: that is what was done', async () => {
    expect(await judged({ number: 6, nextUpdate: new Date(NOW) }, { previous })).toMatch(/^crl_untrusted/)
  })
})

describe('the distribution point', () => {
  const point = (uri: string) => {
    const fullName = [new asn1.GeneralName({ uniformResourceIdentifier: uri })]
    return { distributionPoint: new asn1.DistributionPointName({ fullName }) }
  }
  test('is that of the leaves', async () => {
    expect(await judged({ point: point(POINT) })).toBeUndefined()
    expect(await judged({ point: point(`${POINT}/`) })).toMatch(/^crl_untrusted: .*another distribution point/)
    expect(await judged({ point: undefined })).toMatch(/^crl_untrusted: .*no distribution point/)
    expect(await judged({}, { distributionPoint: undefined })).toMatch(/^crl_untrusted: .*another distribution point/)
  })

  test.each<[string, Partial<asn1.IssuingDistributionPoint>]>([
    ['CAs', { onlyContainsCACerts: true }],
    ['attribute certificates', { onlyContainsAttributeCerts: true }],
    ['other issuers', { indirectCRL: true }],
    ['some reasons', { onlySomeReasons: new asn1.Reason(asn1.ReasonFlags.keyCompromise) }],
  ])('of %s leaves out what matters', async (_, change) => {
    expect(await judged({ point: change })).toMatch(/^crl_untrusted: .*other certificates/)
  })

  test('that cannot be read is a refusal', async () => {
    const odd = new x509.Extension(asn1.id_ce_issuingDistributionPoint, true, Buffer.from('0500', 'hex'))
    expect(await judged({ point: undefined, more: [odd] })).toMatch(/^crl_untrusted: .*cannot be read/)
  })

  test('of user certificates is that of leaves', async () => {
    expect(await judged({ point: { onlyContainsUserCerts: true } })).toBeUndefined()
  })
})

test('an extension that is not understood and critical, or there twice, is a refusal', async () => {
  const value = AsnConvert.serialize(new asn1.CRLNumber(1))
  const delta = (critical: boolean) => new x509.Extension('2.5.29.27', critical, value)
  expect(await judged({ more: [delta(true)] })).toMatch(/^crl_untrusted: .*2\.5\.29\.27 is not understood/)
  expect(await judged({ more: [delta(false)] })).toBeUndefined()
  expect(await judged({ more: [new x509.Extension(asn1.id_ce_cRLNumber, false, value)] })).toMatch(
    /^crl_untrusted: .*twice/,
  )
})

test('a number may have twenty octets', async () => {
  const value = Buffer.concat([Buffer.from([0x02, 20]), Buffer.alloc(20, 0x7f)])
  const more = [new x509.Extension(asn1.id_ce_cRLNumber, false, value)]
  expect(readCrl(await ca.crl({ number: undefined, more }), trust).number).toBe(BigInt(`0x${'7f'.repeat(20)}`))
  for (const odd of ['0200', '0201ff', '0401 05', '020105 00']) {
    const extension = new x509.Extension(asn1.id_ce_cRLNumber, false, Buffer.from(odd.replaceAll(' ', ''), 'hex'))
    expect(await judged({ number: undefined, more: [extension] })).toMatch(/^crl_untrusted: .*no number/)
  }
})

test('an entry with a critical extension is a refusal, and one with a reason is none', async () => {
  const certificateIssuer = new x509.Extension('2.5.29.29', true, Buffer.from('3000', 'hex'))
  const entries = (extensions: x509.Extension[]) =>
    x509.X509CrlGenerator.create({
      ...{ issuer: 'CN=ca', thisUpdate: new Date(NOW), nextUpdate: new Date(NOW + 1000), signingAlgorithm: made.P256 },
      signingKey: ca.keys.privateKey,
      entries: [
        { serialNumber: 'ab0f', revocationDate: new Date(NOW), reason: x509.X509CrlReason.keyCompromise, extensions },
      ],
      extensions: [new x509.Extension(asn1.id_ce_cRLNumber, false, AsnConvert.serialize(new asn1.CRLNumber(1)))],
    })
  const ofRoot = { distributionPoint: undefined }
  const [plain, strange] = await Promise.all([entries([]), entries([certificateIssuer])])
  expect(refusalOf(Buffer.from(plain.rawData), ofRoot)).toBeUndefined()
  expect(readCrl(Buffer.from(plain.rawData), { ...trust, ...ofRoot }).serials).toEqual(new Set(['ab0f']))
  expect(refusalOf(Buffer.from(strange.rawData), ofRoot)).toMatch(/^crl_untrusted: .*critical extension/)
})

describe('the form of a list', () => {
  /** The members of what a good list signs. */
  const membersOf = async (): Promise<Uint8Array[]> => {
    const [content] = elementsOf(onlyElement(await ca.crl())!.content)!
    return elementsOf(content!.content)!.map(({ whole }) => Buffer.from(whole))
  }

  const withEntry = (members: Uint8Array[], ...entry: Uint8Array[]) =>
    members.toSpliced(5, 0, made.tlv(0x30, made.tlv(0x30, ...entry)))

  test('is that of version 2, and signed again it is good', async () => {
    expect(refusalOf(made.signedList(ca, ...(await membersOf())))).toBeUndefined()
  })

  test.each<[string, (members: Uint8Array[]) => Uint8Array[]]>([
    ['something at its end', (members) => [...members, made.tlv(0x05)]],
    ['extensions twice', (members) => [...members, members.at(-1)!]],
    ['no version', (members) => members.slice(1)],
    ['another version', (members) => [made.tlv(0x02, Buffer.from([2])), ...members.slice(1)]],
    ['no issuer', (members) => members.toSpliced(2, 1)],
    ['no time', (members) => members.toSpliced(3, 2)],
    ['a time that is none', (members) => members.with(3, made.tlv(0x17, Buffer.from('261331000000Z')))],
    ['a time of another zone', (members) => members.with(3, made.tlv(0x17, Buffer.from('260131090000+0100')))],
    ['an entry without a number', (members) => members.toSpliced(5, 0, made.tlv(0x30, made.tlv(0x30, members[3]!)))],
    ['an entry without a time', (members) => withEntry(members, made.tlv(0x02, Buffer.from([5])), made.tlv(0x05))],
    [
      'an entry of four members',
      (members) => withEntry(members, made.tlv(0x02, Buffer.from([5])), members[3]!, made.tlv(0x30), made.tlv(0x30)),
    ],
    [
      'a negative number',
      (members) =>
        members.toSpliced(5, 0, made.tlv(0x30, made.tlv(0x30, made.tlv(0x02, Buffer.from([0x80])), members[3]!))),
    ],
  ])('has not %s', async (_, change) => {
    expect(refusalOf(made.signedList(ca, ...change(await membersOf())))).toMatch(/^crl_untrusted: .*cannot be read/)
  })

  test('takes an entry of a number and a time, with or without extensions', async () => {
    const members = await membersOf()
    const [number, time] = [made.tlv(0x02, Buffer.from([5])), members[3]!]
    expect(refusalOf(made.signedList(ca, ...withEntry(members, number, time)))).toBeUndefined()
    expect(refusalOf(made.signedList(ca, ...withEntry(members, number, time, made.tlv(0x30))))).toBeUndefined()
  })

  test('may have ten thousand entries, which no package for ASN.1 reads', async () => {
    const members = await membersOf()
    const serials = Array.from({ length: 10_000 }, (_, at) => (0x1000000000 + at).toString(16))
    const entries = serials.map((serial) => {
      return made.tlv(0x30, made.tlv(0x02, Buffer.from(`0${serial}`.padStart(12, '0'), 'hex')), members[3]!)
    })
    const list = readCrl(made.signedList(ca, ...members.toSpliced(5, 0, made.tlv(0x30, ...entries))), trust)
    expect([list.serials.size, list.serials.has('1')]).toEqual([10_000, false])
    expect(serials.every((serial) => list.serials.has(serial))).toBe(true)
  })

  test('has a signature of whole octets', async () => {
    const members = elementsOf(onlyElement(await ca.crl())!.content)!
    const rebuilt = (unused: number) => {
      const bits = Buffer.concat([Buffer.from([unused]), members[2]!.content.subarray(1)])
      return made.tlv(0x30, members[0]!.whole, members[1]!.whole, made.tlv(0x03, bits))
    }
    expect(refusalOf(rebuilt(0))).toBeUndefined()
    expect(refusalOf(rebuilt(1))).toMatch(/^crl_untrusted: .*cannot be read/)
  })

  test('names the same algorithm inside and outside of what is signed', async () => {
    const members = await membersOf()
    const sha384 = Buffer.from('300a06082a8648ce3d040303', 'hex')
    expect(refusalOf(made.signedList(ca, ...members.with(1, sha384)))).toMatch(/^crl_untrusted: .*signature/)
  })

  test('takes years of two digits as RFC 5280 does', async () => {
    const members = (await membersOf()).with(3, made.tlv(0x17, Buffer.from('500101000000Z')))
    expect(readCrl(made.signedList(ca, ...members), trust).thisUpdate.getUTCFullYear()).toBe(1950)
    const later = (await membersOf()).with(4, made.tlv(0x18, Buffer.from('20500101000000Z')))
    expect(readCrl(made.signedList(ca, ...later), trust).nextUpdate.getUTCFullYear()).toBe(2050)
  })
})
