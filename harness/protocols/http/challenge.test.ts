import { expect, test } from 'vitest'
import { ChallengeMalformed, readChallenges } from './challenge.ts'

test.each([
  ['Bearer', [{ scheme: 'Bearer', params: {} }]],
  ['Bearer realm="node-a"', [{ scheme: 'Bearer', params: { realm: 'node-a' } }]],
  [
    'Bearer realm="a, b", error="invalid_token", ERROR_description="it said \\"no\\""',
    [{ scheme: 'Bearer', params: { realm: 'a, b', error: 'invalid_token', error_description: 'it said "no"' } }],
  ],
  [
    'Bearer error=insufficient_scope , scope="peer:connect peer:announce"',
    [{ scheme: 'Bearer', params: { error: 'insufficient_scope', scope: 'peer:connect peer:announce' } }],
  ],
  [
    'Basic realm="x", Bearer, DPoP algs="ES256"',
    [
      { scheme: 'Basic', params: { realm: 'x' } },
      { scheme: 'Bearer', params: {} },
      { scheme: 'DPoP', params: { algs: 'ES256' } },
    ],
  ],
])('%s', (text, challenges) => {
  expect(readChallenges(text)).toEqual(challenges)
})

test.each([
  'error="invalid_token"',
  'Bearer error="a", error="b"',
  'Bearer error="a" scope="b"',
  'Bearer error="open',
  'Bearer error=',
  ', Bearer',
])('%s is malformed', (text) => {
  expect(() => readChallenges(text)).toThrow(ChallengeMalformed)
})
