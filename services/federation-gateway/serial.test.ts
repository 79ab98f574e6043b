import fc from 'fast-check'
import { expect, test } from 'vitest'
import { serialFromBytes, serialFromDecimal, serialFromHex, serialToDecimal } from './serial.ts'

test('one number has one form, whoever wrote it', () => {
  expect(serialFromHex('00AB0F')).toBe('ab0f')
  expect(serialFromDecimal('43791')).toBe('ab0f')
  expect(serialFromBytes(Uint8Array.of(0x00, 0xab, 0x0f))).toBe('ab0f')
  expect(serialToDecimal('ab0f')).toBe('43791')
})

test('all forms of any serial number of 20 octets meet', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 2n ** 160n - 1n }), (number) => {
      const hex = number.toString(16)
      const bytes = Buffer.from(`00${hex.length % 2 ? '0' : ''}${hex}`, 'hex')
      expect(serialFromHex(`0${hex.toUpperCase()}`)).toBe(hex)
      expect(serialFromDecimal(String(number))).toBe(hex)
      expect(serialFromBytes(bytes)).toBe(hex)
      expect(serialToDecimal(hex)).toBe(String(number))
    }),
  )
})

test.each(['', '0', '000', '0x12', 'ab:0f', '-1', ' 1', '1 ', 'g', 'ab\n', '1'.repeat(41)])(
  'hex %j is no serial number',
  (text) => {
    expect(serialFromHex(text)).toBeUndefined()
  },
)

test.each(['', '0', '-5', '1e3', '12a', '1.0', '9'.repeat(49), '9'.repeat(100_000)])(
  'decimal %.20s is no serial number',
  (text) => {
    expect(serialFromDecimal(text)).toBeUndefined()
  },
)

test('octets that are negative, zero or none are no serial number', () => {
  for (const bytes of [[0xab], [0xff, 0x01], [0], []]) expect(serialFromBytes(Uint8Array.from(bytes))).toBeUndefined()
  expect(serialFromBytes(Uint8Array.of(0x7f))).toBe('7f')
})
