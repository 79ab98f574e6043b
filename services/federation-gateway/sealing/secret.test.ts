import { expect, test } from 'vitest'
import { weaknessOf } from './secret.ts'

const strong = '3f1c9a7be2d04586ab17c0de9f48a6b2'

test('a secret of 32 bytes may seal', () => {
  expect(strong).toHaveLength(32)
  expect(weaknessOf(strong)).toBeUndefined()
  expect(weaknessOf(` ${strong}\n`)).toBeUndefined()
  expect(weaknessOf('€'.repeat(3) + strong.slice(0, 23))).toBeUndefined()
})

test.each([
  ['', 'less than 32'],
  [strong.slice(1), 'less than 32'],
  [`  ${strong.slice(1)}  `, 'less than 32'],
  ['change-me-change-me-change-me-change-me', 'placeholder'],
  [`CHANGEME${strong}`, 'placeholder'],
  ['your_secret_goes_here_your_secret_goes_here', 'placeholder'],
  ['better-auth-secret-123456789012345678901234567890', 'placeholder'],
  ['a'.repeat(64), 'a few characters'],
  ['0123456'.repeat(6), 'a few characters'],
])('%j %s', (secret, why) => {
  const told = weaknessOf(secret)
  expect(told).toContain(why)
  if (secret !== '') expect(told).not.toContain(secret.slice(0, 8))
})
