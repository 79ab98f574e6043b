import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { BodyRefused, parseStrictJson, readForm, readJson } from './http-json.ts'

test.each([
  '{}',
  '[]',
  '"text"',
  '1',
  'null',
  ' { "a" : { "a" : [ { "a" : 1 }, { "a" : 2 } ] } , "b" : "\\"a\\":1" } ',
  '{"a":"}","b":"{\\"c\\":1,\\"c\\":2}"}',
  '{"a,b":1,"a":2}',
  `${'['.repeat(32)}${']'.repeat(32)}`,
])('%s is read as JSON.parse reads it', (text) => {
  expect(parseStrictJson(text)).toEqual(JSON.parse(text))
})

test.each([
  ['a repeated member', '{"a":1,"a":1}'],
  ['a repeated inner member', '{"a":[{"b":1,"c":2,"b":3}]}'],
  ['a member repeated by an escape', '{"a":1,"\\u0061":2}'],
  ['a member repeated behind an inner object', '{"a":{"x":1},"a":2}'],
  ['nesting of 33', `${'['.repeat(33)}${']'.repeat(33)}`],
  ['nesting of thirty thousand', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
  ['a million brackets', '['.repeat(1_000_000)],
  ['a trailing comma', '{"a":1,}'],
  ['two values', '{} {}'],
  ['a comment', '{} // all'],
  ['an open text', '{"a'],
  ['a bad escape as name', '{"\\x":1}'],
  ['nothing', ''],
  ['a byte order mark', '\uFEFF{}'],
])('%s is refused', (_, text) => {
  expect(() => parseStrictJson(text)).toThrow(BodyRefused)
})

test('texts that never end cost no more than others of their size', () => {
  const text = `"${'\\"'.repeat(500_000)}`
  const began = performance.now()

  expect(() => parseStrictJson(text)).toThrow(BodyRefused)
  // Linear: some milliseconds. Quadratic: minutes.
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('a member called __proto__ is a member', () => {
  const value = parseStrictJson('{"__proto__":{"a":1}}') as Record<string, unknown>

  expect(Object.keys(value)).toEqual(['__proto__'])
  expect(value.a).toBeUndefined()
})

test('a body that ends before its end is malformed: its caller is to blame, not the service', async () => {
  for (const [read, type] of [
    [readJson, 'application/json'],
    [readForm, 'application/x-www-form-urlencoded'],
  ] as const) {
    const request = Object.assign(new PassThrough(), { headers: { 'content-type': type } })
    const body = read(request as unknown as IncomingMessage)
    request.write('{"a":')
    request.destroy()
    await expect(body).rejects.toMatchObject({ refusal: { status: 400, reason: 'body_malformed' } })
  }
})

test('a body whose caller has gone before anybody reads it is malformed, and nobody waits for it', async () => {
  const headers = { 'content-type': 'application/json' }
  const request = Object.assign(new PassThrough(), { headers }) as unknown as IncomingMessage
  request.destroy()
  await new Promise((resolve) => request.once('close', resolve))

  await expect(readJson(request)).rejects.toMatchObject({ refusal: { status: 400, reason: 'body_malformed' } })
})
