import { expect, test } from 'vitest'
import { type HandshakeFailure, tlsChain, tlsCrl } from './handshake.ts'

const T0 = (reason: string) => ({ reason, status: null })
const verdict = (code: string): HandshakeFailure => ({ code: 'ECONNRESET', authorizationError: code })

test.each([
  ['CERT_HAS_EXPIRED', 'cert_expired'],
  ['CERT_NOT_YET_VALID', 'cert_not_yet_valid'],
  ['INVALID_PURPOSE', 'cert_eku_invalid'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'cert_untrusted'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'cert_untrusted'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'cert_untrusted'],
  ['INVALID_CA', 'cert_untrusted'],
  ['UNSPECIFIED', 'cert_untrusted'],
  ['CRL_NOT_YET_VALID', 'cert_untrusted'],
  ['toString', 'cert_untrusted'],
])('%s is %s', (code, reason) => {
  expect(tlsChain.check(verdict(code))).toEqual(T0(reason))
  expect(tlsCrl.check(verdict(code))).toBeUndefined()
  expect(tlsChain.check({ authorizationError: Object.assign(new Error('x'), { code }) })).toEqual(T0(reason))
})

test('one that has not begun says by how much, in whole seconds, and nothing else does', () => {
  const check = (code: string, beginsInMs: number) => tlsChain.check({ ...verdict(code), beginsInMs })
  expect(check('CERT_NOT_YET_VALID', 14_001)).toEqual({ ...T0('cert_not_yet_valid'), skewSeconds: 15 })
  expect(check('CERT_NOT_YET_VALID', 15_000)).toMatchObject({ skewSeconds: 15 })
  // It is a CA above it that has not begun.
  expect(check('CERT_NOT_YET_VALID', -1)).toEqual(T0('cert_not_yet_valid'))
  expect(check('CERT_HAS_EXPIRED', 15_000)).toEqual(T0('cert_expired'))
})

test.each([
  ['CERT_REVOKED', 'cert_revoked'],
  ['CRL_HAS_EXPIRED', 'crl_stale'],
  ['UNABLE_TO_GET_CRL', 'crl_missing'],
  ['CRL_SIGNATURE_FAILURE', 'crl_untrusted'],
])('%s is %s, which is about lists of revoked certificates', (code, reason) => {
  expect(tlsChain.check(verdict(code))).toBeUndefined()
  expect(tlsCrl.check(verdict(code))).toEqual(T0(reason))
})

test('no certificate is the failure itself', () => {
  const failure = { code: 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' }
  expect(tlsChain.check(failure)).toEqual(T0('cert_missing'))
  expect(tlsCrl.check(failure)).toBeUndefined()
})

test('where OpenSSL said nothing against the certificate, these say nothing either', () => {
  for (const authorizationError of [undefined, null, '']) {
    const failure = { code: 'ECONNRESET', authorizationError }
    expect([tlsChain.check(failure), tlsCrl.check(failure)]).toEqual([undefined, undefined])
  }
})

test('each reason belongs to one of the two', () => {
  const all = [...tlsChain.reasons, ...tlsCrl.reasons]
  expect(new Set(all).size).toBe(all.length)
  expect(all).toHaveLength(9)
})
