import { expect, expectTypeOf, test } from 'vitest'
import { defineTopology } from './define.ts'
import { type PackedTopology, unpack } from './packed.ts'
import { readParameters } from './parameters.ts'

const values = (text: string) => ({
  base: { text, seconds: { $parameter: 'leafSeconds' }, strict: { $parameter: 'strict' }, askers: [] },
  growth: { parameter: 'askers', steps: [{ askers: ['a'] }, { askers: ['b'] }] },
})
const each = (ca: string) => ({
  variants: { parameter: 'each', values: { false: values(`${ca} for all`), true: values(`${ca} for each`) } },
})
const packed: PackedTopology = {
  summary: 'two shapes',
  parameters: {
    askers: { default: 0, min: 0, max: 2, summary: '' },
    ca: { default: 'real', oneOf: ['real', 'scripted'], shape: true, summary: '' },
    each: { default: false, shape: true, summary: '' },
    leafSeconds: { default: 600, min: 30, max: 3_600, fills: true, summary: '' },
    strict: { default: true, summary: '' },
  },
  variants: { parameter: 'ca', values: { real: each('real'), scripted: each('scripted') } },
}
const unpacked = (set: Record<string, string | boolean>) =>
  unpack(packed, readParameters('packed', packed.parameters, set))

test('each value of a shape has those of the next shape in it; counts grow there, and the rest is filled in', () => {
  expect(unpacked({})).toEqual({ text: 'real for all', seconds: 600, strict: true, askers: [] })
  expect(unpacked({ each: true, ca: 'scripted', askers: '2' })).toMatchObject({
    text: 'scripted for each',
    askers: ['a', 'b'],
  })
  expect(unpacked({ each: 'true', leafSeconds: '30', strict: 'false' })).toEqual({
    text: 'real for each',
    seconds: 30,
    strict: false,
    askers: [],
  })
})

test.each([
  [{ strict: 'yes' }, 'parameter strict must be true or false, not "yes"'],
  [{ each: '' }, 'parameter each must be true or false, not ""'],
  [{ leafSeconds: '29' }, 'parameter leafSeconds must be a whole number from 30 to 3600, not "29"'],
])('%o is refused with what is possible', (set, message) => {
  expect(() => unpacked(set as unknown as Record<string, string>)).toThrow(message)
})

test('a topology in TypeScript gets true or false as what they are', () => {
  defineTopology({
    name: 'lab',
    summary: '',
    parameters: { strict: { default: true, summary: '' } },
    value({ strict }) {
      expectTypeOf(strict).toEqualTypeOf<boolean>()
      return { trustDomains: {}, nodes: {}, credentials: {}, accepts: [] }
    },
  })
})
