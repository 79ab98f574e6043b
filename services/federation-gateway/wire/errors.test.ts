import { describe, expect, test } from 'vitest'
import { ERROR_CODES, errorAnswer, refused, STATUS_OF } from './errors.ts'

const of = { listener: 'federation', requestId: 'r-1' } as const

test('the codes are those of the contract', () => {
  expect(ERROR_CODES.toSorted().join(' ')).toBe(
    'conflict dependency_unavailable forbidden gone internal invalid_certificate invalid_csr invalid_request invalid_scope invalid_token method_not_allowed misdirected_request not_found payload_too_large peer_mismatch peer_unavailable rate_limited scope_violation unauthorized unsupported_media_type',
  )
})

test('a refusal has the status of its code', () => {
  expect(refused('gone', 'token_used')).toEqual({ reason: 'token_used', status: 410, error: 'gone' })
  expect(refused('rate_limited', 'rate_grant', 3)).toMatchObject({ status: 429, retryAfter: 3 })
})

describe('an answer', () => {
  test('is the same text for all codes of a status', () => {
    const texts = new Map<number, Set<string>>()
    for (const code of ERROR_CODES) {
      const { message } = errorAnswer(code, of).body.error
      texts.set(STATUS_OF[code], (texts.get(STATUS_OF[code]) ?? new Set()).add(message))
    }
    expect([...texts.values()].map((set) => set.size)).toEqual([...texts].map(() => 1))
    expect(new Set([...texts.values()].flatMap((set) => [...set])).size).toBe(texts.size)
  })

  test('has no member beyond code, text and request on the federation listener', () => {
    const { body } = errorAnswer('forbidden', { ...of, details: [{ path: 'a', message: 'b' }] })
    expect(body).toEqual({ error: { code: 'forbidden', message: 'Access is refused.', requestId: 'r-1' } })
    const details = [{ path: 'a', message: 'b' }]
    expect(errorAnswer('invalid_request', { ...of, details }).body.error).not.toHaveProperty('details')
  })

  test('has details for 400 and 422 on the public listener, and for nothing else', () => {
    const details = [{ path: 'resources.0', message: 'is unknown' }]
    const with_ = { listener: 'public', requestId: 'r-1', details } as const
    const detailed = ERROR_CODES.filter((code) => errorAnswer(code, with_).body.error.details === details)
    expect(new Set(detailed.map((code) => STATUS_OF[code]))).toEqual(new Set([400, 422]))
    expect(detailed.length).toBe(5)
  })

  test('of 401 carries the challenge of its listener, and names an error only where a token came (RFC 6750 section 3.1)', () => {
    const challengeOf = (code: 'unauthorized' | 'invalid_token', listener: 'public' | 'federation') =>
      errorAnswer(code, { listener, requestId: 'r' }).headers['www-authenticate']
    expect(challengeOf('unauthorized', 'federation')).toBe('ClientCertificate realm="federation"')
    expect(challengeOf('unauthorized', 'public')).toBe('Bearer realm="gateway"')
    expect(challengeOf('invalid_token', 'public')).toBe('Bearer realm="gateway", error="invalid_token"')
    expect(errorAnswer('forbidden', of).headers).toEqual({})
  })

  test.each([
    [undefined, '1'],
    [0, '1'],
    [0.2, '1'],
    [4.1, '5'],
    [60, '60'],
  ])('of 429 and 503 says when to come back: %s is %s', (retryAfter, text) => {
    const limited = errorAnswer('rate_limited', { ...of, retryAfter })
    expect(limited.headers).toEqual({ 'retry-after': text })
    expect(limited.body.error.retryAfterSeconds).toBe(Number(text))
    const down = errorAnswer('dependency_unavailable', { ...of, retryAfter })
    expect(down.headers).toEqual({ 'retry-after': text })
    expect(down.body.error).not.toHaveProperty('retryAfterSeconds')
    expect(errorAnswer('forbidden', { ...of, retryAfter }).headers).toEqual({})
  })
})
