import { expect, test } from 'vitest'
import { LastWords } from './last-words.ts'

const accountOver = 'Account Authentication Expired - Account:A/B - nkey:U'
const userOver = 'User Authentication Expired'
type Said = readonly [text: string, account: string, at: number]

test.each<[string, readonly Said[], string, string | undefined]>([
  ['his account ended', [[accountOver, 'his', 9_000]], 'Authentication Expired', 'nats_account_expired'],
  ['his account ended, and he was gone first', [[accountOver, 'his', 9_000]], 'Client Closed', 'nats_account_expired'],
  ['another account ended, and his', [[accountOver, 'other', 9_000]], 'Authentication Expired', 'nats_account_expired'],
  ['another account ended, and he left', [[accountOver, 'other', 9_000]], 'Client Closed', undefined],
  ['his account ended some seconds before', [[accountOver, 'his', 5_000]], 'Client Closed', 'nats_account_expired'],
  ['his account ended long before', [[accountOver, 'his', 4_999]], 'Client Closed', undefined],
  [
    'another user ended, and another account',
    [
      [userOver, 'his', 9_000],
      [accountOver, 'other', 9_500],
    ],
    'Authentication Expired',
    undefined,
  ],
  ['somebody took too long', [['Authentication Timeout', 'his', 9_000]], 'Authentication Expired', undefined],
  ['his account ended, and he was kicked', [[accountOver, 'his', 9_000]], 'Kicked', undefined],
])('when %s, it is known of whom nothing was written', (_, said, ended, reason) => {
  const words = new LastWords()
  for (const [text, account, at] of said) expect(words.heard(text, account, at)).toBeDefined()
  expect(words.unwritten(ended, 'his', 10_000)).toBe(reason)
})

test('other lines are no last words', () => {
  expect(new LastWords().heard('Client Ping Timer', 'his', 9_000)).toBeUndefined()
  expect(new LastWords().heard('Authentication Timeouts', 'his', 9_000)).toBeUndefined()
})
