import { describe, expect, test } from 'vitest'
import { type Extension, PROVISIONER_OID, readProvisioner, readUuid } from './extension-values.ts'

const OID = '1.3.6.1.4.1.99999.1'
const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
const ascii = (text: string) => Buffer.from(text)
const tlv = (tag: number, content: Uint8Array, length = [content.length]) =>
  Buffer.concat([Buffer.from([tag, ...length]), content])
const extension = (value: Uint8Array, oid = OID): Extension => ({ oid, critical: false, value })
const good = tlv(0x0c, ascii(uuid))

describe('the UUID of an extension', () => {
  test('is read from exactly the bytes that step-ca writes', () => {
    expect(good.toString('hex')).toMatch(/^0c24613065656263/)
    expect(readUuid([extension(good)], OID)).toEqual({ value: uuid })
    expect(readUuid([extension(good, '1.2.3'), extension(good), extension(good, `${OID}.1`)], OID)).toEqual({
      value: uuid,
    })
  })

  test('is missing where no extension has the OID', () => {
    expect(readUuid([], OID)).toEqual({ problem: 'missing' })
    expect(readUuid([extension(good, '1.3.6.1.4.1.99999.2'), extension(good, '1.3.6.1.4.1.99999.11')], OID)).toEqual({
      problem: 'missing',
    })
  })

  test('is none of two, also when they are equal', () => {
    expect(readUuid([extension(good), extension(good)], OID)).toEqual({ problem: 'repeated' })
    expect(readUuid([extension(good), extension(Buffer.alloc(0))], OID)).toEqual({ problem: 'repeated' })
  })

  test.each<[string, Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['bare text', ascii(uuid)],
    ['a PrintableString', tlv(0x13, ascii(uuid))],
    ['an IA5String', tlv(0x16, ascii(uuid))],
    ['an OCTET STRING', tlv(0x04, ascii(uuid))],
    ['a constructed UTF8String', tlv(0x2c, good)],
    ['a context tag', tlv(0x8c, ascii(uuid))],
    ['a long length', tlv(0x0c, ascii(uuid), [0x81, 36])],
    ['a longer length', tlv(0x0c, ascii(uuid), [0x82, 0, 36])],
    ['an indefinite length', Buffer.concat([tlv(0x0c, ascii(uuid), [0x80]), Buffer.alloc(2)])],
    ['a length too short', tlv(0x0c, ascii(uuid), [35])],
    ['a length too long', tlv(0x0c, ascii(uuid), [37])],
    ['a byte after it', Buffer.concat([good, Buffer.alloc(1)])],
    ['itself twice', Buffer.concat([good, good])],
    ['an element before it', Buffer.concat([tlv(0x05, Buffer.alloc(0)), good])],
    ['a sequence around it', tlv(0x30, good)],
    ['bytes that are no UTF-8', tlv(0x0c, Buffer.concat([ascii(uuid.slice(1)), Buffer.from([0xff])]))],
    ['a byte order mark', tlv(0x0c, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), ascii(uuid)]))],
    ['an empty text', tlv(0x0c, Buffer.alloc(0))],
    ['upper case', tlv(0x0c, ascii(uuid.toUpperCase()))],
    ['the nil UUID', tlv(0x0c, ascii(uuid.replaceAll(/[0-9a-f]/g, '0')))],
    ['no UUID', tlv(0x0c, ascii(uuid.replaceAll('-', '_')))],
    ['braces', tlv(0x0c, ascii(`{${uuid}}`))],
    ['a line end', tlv(0x0c, ascii(`${uuid}\n`))],
    ['a NUL', tlv(0x0c, ascii(`${uuid}\0`))],
    ['two of them', tlv(0x0c, ascii(`${uuid},${uuid}`))],
  ])('is malformed with %s', (_, value) => {
    expect(readUuid([extension(value)], OID)).toEqual({ problem: 'malformed' })
  })

  test('has no bit that could be another', () => {
    for (let bit = 0; bit < good.length * 8; bit += 1) {
      const changed = Buffer.from(good)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(readUuid([extension(changed)], OID).value).not.toBe(uuid)
    }
  })
})

describe('the provisioner of a certificate', () => {
  const members = (type: number, ...texts: string[]) => [
    tlv(0x02, Buffer.from([type])),
    ...texts.map((text) => tlv(0x04, ascii(text))),
  ]
  const sequence = (...parts: Uint8Array[]) => extension(tlv(0x30, Buffer.concat(parts)), PROVISIONER_OID)

  test('is its name and the thumbprint of its key', () => {
    const kid = 'k'.repeat(43)
    expect(readProvisioner([sequence(...members(1, 'mosaic-fed', kid))])).toEqual({ name: 'mosaic-fed', kid })
  })

  test.each<[string, Extension[]]>([
    ['none is named', []],
    ['two are', [sequence(...members(1, 'a', 'b')), sequence(...members(1, 'a', 'b'))]],
    ['it is ACME', [sequence(...members(6, 'a', 'b'))]],
    ['it is of no type', [sequence(...members(0, 'a', 'b'))]],
    ['a member lacks', [sequence(...members(1, 'a'))]],
    ['a member is too many', [sequence(...members(1, 'a', 'b', 'c'))]],
    ['its type is long', [sequence(tlv(0x02, Buffer.from([0, 1])), tlv(0x04, ascii('a')), tlv(0x04, ascii('b')))]],
    ['its name is of another type', [sequence(members(1)[0]!, tlv(0x0c, ascii('a')), tlv(0x04, ascii('b')))]],
    ['its name is no text', [sequence(members(1)[0]!, tlv(0x04, Buffer.from([0xff])), tlv(0x04, ascii('b')))]],
    [
      'something follows',
      [extension(Buffer.concat([tlv(0x30, Buffer.concat(members(1, 'a', 'b'))), Buffer.alloc(2)]), PROVISIONER_OID)],
    ],
    ['it is no sequence', [extension(tlv(0x31, Buffer.concat(members(1, 'a', 'b'))), PROVISIONER_OID)]],
    ['it is of another OID', [extension(tlv(0x30, Buffer.concat(members(1, 'a', 'b'))), `${PROVISIONER_OID}.1`)]],
  ])('is not known where %s', (_, extensions) => {
    expect(readProvisioner(extensions)).toBeUndefined()
  })
})
