import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { isTtl, lookupOf, makeToken } from './token.ts'

test('a token is 32 random bytes, and what is stored of it does not say which', () => {
  const { token, sha256, prefix } = makeToken()
  expect(token).toMatch(/^[0-9a-f]{64}$/)
  expect(sha256).toBe(createHash('sha256').update(token).digest('hex'))
  expect(prefix).toBe(token.slice(0, 8))
  expect(lookupOf(token)).toBe(sha256)
  expect(new Set(Array.from({ length: 1000 }, () => makeToken().token)).size).toBe(1000)
})

test('what does not look like one is looked up by nothing', () => {
  const { token } = makeToken()
  const letters = `${'a'.repeat(63)}b`
  const others = ['', token.slice(1), `${token}0`, letters.toUpperCase(), ` ${token}`, `${token} `, `${token}\n`]
  for (const text of [...others, `../${token}`, `${'0'.repeat(63)}g`, token.replace(/^./, '/')]) {
    expect([text, lookupOf(text)]).toEqual([text, undefined])
  }
  expect(lookupOf(letters)).toBeDefined()
})

test('lives from 1 to 900 whole seconds', () => {
  expect([1, 899, 900].map(isTtl)).toEqual([true, true, true])
  expect([0, -1, 901, 1e9, 899.5, '900', null, undefined, Number.NaN, Number.POSITIVE_INFINITY].some(isTtl)).toBe(false)
})
