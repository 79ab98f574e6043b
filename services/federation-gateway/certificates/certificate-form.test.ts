import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { expect, test } from 'vitest'
import { rootCa, tlv, x509 } from '../testing/certificates.ts'
import { certificateForm } from './certificate-form.ts'

const hex = (bytes: ArrayBuffer | Uint8Array) => Buffer.from(bytes as Uint8Array).toString('hex')

test('a certificate is read as the packages for ASN.1 read it', async () => {
  const root = await rootCa('root')
  const strange = ['2.25.123456789', '2.47.3', '1.3.128.16384'].map((oid, at) => {
    return new x509.Extension(oid, at % 2 === 0, Buffer.from('0500', 'hex'))
  })
  const leaf = await root.issue({ more: strange, serial: '7fff01' })
  for (const { raw } of [root.certificate, leaf]) {
    const { tbsCertificate } = AsnConvert.parse(raw, asn1.Certificate)
    const { serial, subject, extensions } = certificateForm(raw)
    expect(hex(serial)).toBe(hex(tbsCertificate.serialNumber))
    expect(hex(subject)).toBe(hex(AsnConvert.serialize(tbsCertificate.subject)))
    expect(extensions.map(({ oid, critical, value }) => [oid, critical, hex(value)])).toEqual(
      tbsCertificate.extensions!.map(({ extnID, critical, extnValue }) => [extnID, critical, hex(extnValue.buffer)]),
    )
  }
})

const [integer, bits, empty] = [tlv(0x02, Buffer.from([5])), tlv(0x03, Buffer.from([0])), tlv(0x30)]
const extension = tlv(0x30, tlv(0x06, Buffer.from([0x55, 0x1d, 0x13])), tlv(0x04, empty))
const version3 = tlv(0xa0, tlv(0x02, Buffer.from([2])))
const extended = (...extensions: Buffer[]) => tlv(0xa3, tlv(0x30, ...extensions))
const signed = (...last: Buffer[]) => tlv(0x30, version3, integer, empty, empty, empty, empty, empty, ...last)
const certificate = (content: Buffer, ...more: Buffer[]) => tlv(0x30, content, empty, bits, ...more)
const withOid = (...octets: number[]) =>
  certificate(signed(extended(tlv(0x30, tlv(0x06, Buffer.from(octets)), tlv(0x04, empty)))))

test('extensions are there or not, behind names that are unique or none, and one of version 1 has none', () => {
  const oids = (der: Buffer) => certificateForm(der).extensions.map(({ oid }) => oid)
  expect(oids(certificate(signed(extended(extension))))).toEqual(['2.5.29.19'])
  expect(oids(certificate(signed(tlv(0x81, Buffer.from([0])), extended(extension))))).toEqual(['2.5.29.19'])
  expect(oids(certificate(signed()))).toEqual([])
  expect(oids(certificate(tlv(0x30, integer, empty, empty, empty, empty, empty)))).toEqual([])
})

test.each<[what: string, der: Buffer]>([
  ['no element', Buffer.alloc(0)],
  ['a text', Buffer.from('certificate')],
  ['a byte behind it', Buffer.concat([certificate(signed()), Buffer.from([0])])],
  ['one member more', certificate(signed(), empty)],
  ['a serial number that is none', certificate(tlv(0x30, version3, bits, empty, empty, empty, empty, empty))],
  ['no subject', certificate(tlv(0x30, version3, integer, empty, empty, empty))],
  ['two lists of extensions in one', certificate(signed(tlv(0xa3, tlv(0x30, extension), tlv(0x30, extension))))],
  ['an extension without a value', certificate(signed(extended(tlv(0x30, tlv(0x06, Buffer.from([0x55]))))))],
  [
    'an extension with two values',
    certificate(signed(extended(tlv(0x30, tlv(0x06, Buffer.from([0x55])), bits, bits)))),
  ],
  ['a value that is no OCTET STRING', certificate(signed(extended(tlv(0x30, tlv(0x06, Buffer.from([0x55])), bits))))],
  ['an OID of no octet', withOid()],
  ['an OID that does not end', withOid(0x55, 0x9d)],
  ['an OID with an octet that adds nothing', withOid(0x55, 0x80, 0x1d)],
])('%s is no certificate', (_, der) => {
  expect(() => certificateForm(der)).toThrow(SyntaxError)
})
