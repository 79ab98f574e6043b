import { expect, test } from 'vitest'
import { StartFailure } from '../../shared/start-failure.ts'
import { paramsCheck } from './params.ts'
import { CANONICAL } from './stages/canonical.ts'

const schema = {
  type: 'object',
  properties: {
    games: { type: 'integer', minimum: 1, maximum: 9, default: 5 },
    name: { type: 'string', minLength: 2, maxLength: 4, pattern: '^[a-z]+$' },
    mode: { enum: ['fast', 'slow'] },
    fixed: { const: 7 },
    rates: { type: 'array', items: { type: 'number', exclusiveMinimum: 0, multipleOf: 0.5 }, minItems: 1, maxItems: 2 },
    'a/b': { type: 'boolean' },
  },
  required: ['name'],
  additionalProperties: false,
}

test('what fits is taken, and defaults are filled in', () => {
  const check = paramsCheck('p', schema)

  expect(check({ name: 'abc' })).toEqual({ params: { name: 'abc', games: 5 } })
  expect(check({ name: 'abc', mode: 'slow', fixed: 7, rates: [1.5], 'a/b': false, games: 9 })).toMatchObject({
    params: { games: 9, rates: [1.5] },
  })
})

test.each<[Record<string, unknown>, string, string]>([
  [{}, '/properties/name/type', '/name'],
  [{ name: 7 }, '/properties/name/type', '/name'],
  [{ name: 'a' }, '/properties/name/minLength', '/name'],
  [{ name: 'abcde' }, '/properties/name/maxLength', '/name'],
  [{ name: 'a1' }, '/properties/name/pattern', '/name'],
  [{ name: 'ab', games: 0 }, '/properties/games/minimum', '/games'],
  [{ name: 'ab', games: 10 }, '/properties/games/maximum', '/games'],
  [{ name: 'ab', games: 1.5 }, '/properties/games/type', '/games'],
  [{ name: 'ab', games: '5' }, '/properties/games/type', '/games'],
  [{ name: 'ab', mode: 'other' }, '/properties/mode/enum', '/mode'],
  [{ name: 'ab', fixed: 8 }, '/properties/fixed/const', '/fixed'],
  [{ name: 'ab', rates: [] }, '/properties/rates/minItems', '/rates'],
  [{ name: 'ab', rates: [1, 1, 1] }, '/properties/rates/maxItems', '/rates'],
  [{ name: 'ab', rates: [1, 0] }, '/properties/rates/items/exclusiveMinimum', '/rates/1'],
  [{ name: 'ab', rates: [0.3] }, '/properties/rates/items/multipleOf', '/rates/0'],
  [{ name: 'ab', 'a/b': 1 }, '/properties/a~1b/type', '/a~1b'],
  [{ name: 'ab', more: 1 }, '/additionalProperties', ''],
])('%j breaks %s', (given, schemaPath, at) => {
  expect(paramsCheck('p', schema)(given)).toMatchObject({ mistakes: [{ schemaPath, at }] })
})

test.each<[string, Record<string, unknown>, RegExp]>([
  ['no object', { type: 'string' }, /must be the JSON Schema of an object/],
  ['no type', { properties: {} }, /must be the JSON Schema of an object/],
  ['a restriction without a type', with_({ minimum: 3 }), /\/properties\/x\/minimum is not checked without a type/],
  ['a condition', { type: 'object', if: {} }, /\/if is not checked/],
  ['a keyword that nobody knows', with_({ type: 'string', minimumLength: 2 }), /minimumLength is not checked/],
  ['a demand for what is no property', { type: 'object', required: ['y'] }, /required names y, which is no property/],
  ['no schema', with_(7 as never), /\/properties\/x is no schema/],
  ['a type that there is not', with_({ type: 'float' }), /Unsupported type: float/],
  ['a reference to elsewhere', with_({ $ref: 'https://example.test/schema' }), /External \$ref/],
])('a schema with %s keeps a node from starting', (_, given, message) => {
  expect(() => paramsCheck('p', given)).toThrow(StartFailure)
  expect(() => paramsCheck('p', given)).toThrow(message)
})

function with_(x: Record<string, unknown>): Record<string, unknown> {
  return { type: 'object', properties: { x } }
}

test('the pipeline that ships takes what its schema says', () => {
  const check = paramsCheck('canonical_selfplay', CANONICAL.canonical_selfplay!.params)

  expect(check({})).toEqual({ params: { games: 20, start: 1 } })
  expect(check({ games: 1 })).toMatchObject({ mistakes: [{ schemaPath: '/properties/games/minimum' }] })
})
