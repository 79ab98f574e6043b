import { expect, test } from 'vitest'
import { elementsOf, onlyElement } from './der.ts'

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const long = (length: string, content: number) => Buffer.concat([bytes(`0c ${length}`), Buffer.alloc(content, 0x61)])

test('elements are split as they stand', () => {
  const elements = elementsOf(bytes('02 01 05 0c 02 6162 30 00'))
  expect(elements?.map(({ tag, content }) => [tag, Buffer.from(content).toString('hex')])).toEqual([
    [0x02, '05'],
    [0x0c, '6162'],
    [0x30, ''],
  ])
  expect(elementsOf(bytes(''))).toEqual([])
  expect(onlyElement(bytes('0c 01 61'))?.content).toEqual(bytes('61'))
})

test('a length has its shortest form', () => {
  expect(onlyElement(long('7f', 127))?.content).toHaveLength(127)
  expect(onlyElement(long('81 80', 128))?.content).toHaveLength(128)
  expect(onlyElement(long('81 ff', 255))?.content).toHaveLength(255)
  expect(onlyElement(long('82 0100', 256))?.content).toHaveLength(256)
  expect(onlyElement(long('83 010000', 65536))?.content).toHaveLength(65536)
  for (const [length, content] of [
    ['81 7f', 127],
    ['81 01', 1],
    ['82 00ff', 255],
    ['83 000100', 256],
    ['84 00000001', 1],
    ['84 01000000', 1],
    ['80', 2],
    ['ff', 1],
  ] as const) {
    expect([length, elementsOf(long(length, content))]).toEqual([length, undefined])
  }
})

test.each(['0c', '0c 02 61', '0c 01 61 00', '0c 01 61 0c', '1f 01 61', '3f 8101 00', '0c 81', '0c 82 01'])(
  '%s is no row of elements',
  (hex) => {
    expect(elementsOf(bytes(hex))).toBeUndefined()
  },
)

test('one element more, or none, is not the only one', () => {
  expect(onlyElement(bytes(''))).toBeUndefined()
  expect(onlyElement(bytes('0c 01 61 0c 01 61'))).toBeUndefined()
})
