import { createDecipheriv, hkdfSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { derivedKey, Keyring, kidOf, SealFailure } from './keyring.ts'

const salt = Buffer.alloc(32, 7)
const secret = 'a secret that is long enough for it'
const place = { rowId: 'row-1', peerId: 'peer-1' }
const plaintext = Buffer.from('-----BEGIN PRIVATE KEY-----')
const ring = new Keyring({ secret, salt })

function failure(open: () => unknown): unknown {
  try {
    return open()
  } catch (cause) {
    return cause instanceof SealFailure ? cause.code : cause
  }
}

describe('a sealed key', () => {
  test('opens where it was sealed', () => {
    expect(ring.open(ring.seal(plaintext, place), place)).toEqual(plaintext)
    expect(ring.open(ring.seal(Buffer.alloc(0), place), place)).toHaveLength(0)
  })

  test('is AES-256-GCM under the HKDF of the secret, bound to table, row, peer, version and key (RFC 5869, RFC 5116)', () => {
    const envelope = ring.seal(plaintext, place)
    const [version, kid, ...parts] = envelope.split('.')
    const [nonce, ciphertext, tag] = parts.map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer, Buffer]
    expect([version, kid, nonce.length, tag.length]).toEqual(['fgk1', ring.kid, 12, 16])
    const key = Buffer.from(hkdfSync('sha256', secret, salt, 'federation-gateway/peer-key/v1', 32))
    const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAuthTag(tag)
    decipher.setAAD(Buffer.from(`federation_peer_credentials|row-1|peer-1|fgk1|${ring.kid}`))
    expect(Buffer.concat([decipher.update(ciphertext), decipher.final()])).toEqual(plaintext)
  })

  test('shows nothing of what is in it, and is never the same twice', () => {
    const envelopes = Array.from({ length: 10_000 }, () => ring.seal(plaintext, place))
    expect(new Set(envelopes.map((envelope) => envelope.split('.')[2])).size).toBe(10_000)
    expect(new Set(envelopes.map((envelope) => envelope.split('.')[3])).size).toBe(10_000)
    expect(Buffer.from(envelopes[0]!.split('.')[3]!, 'base64url').includes('BEGIN')).toBe(false)
  })

  test('opens in no other row and for no other peer', () => {
    const envelope = ring.seal(plaintext, place)
    expect(failure(() => ring.open(envelope, { ...place, rowId: 'row-2' }))).toBe('SEAL_BROKEN')
    expect(failure(() => ring.open(envelope, { ...place, peerId: 'peer-2' }))).toBe('SEAL_BROKEN')
  })

  test('opens no more once any bit of nonce, ciphertext or tag was changed', () => {
    const parts = ring.seal(plaintext, place).split('.')
    for (const part of [2, 3, 4]) {
      const bytes = Buffer.from(parts[part]!, 'base64url')
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const changed = Buffer.from(bytes)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        const envelope = parts.with(part, changed.toString('base64url')).join('.')
        expect([part, bit, failure(() => ring.open(envelope, place))]).toEqual([part, bit, 'SEAL_BROKEN'])
      }
    }
  })

  test('does not open with another secret, nor in a database with another salt', () => {
    const envelope = ring.seal(plaintext, place)
    const others = [new Keyring({ secret: `${secret}.`, salt }), new Keyring({ secret, salt: Buffer.alloc(32, 8) })]
    for (const other of others) {
      expect(failure(() => other.open(envelope, place))).toBe('SEAL_KEY_UNKNOWN')
      expect(failure(() => other.open(envelope.replace(ring.kid, other.kid), place))).toBe('SEAL_BROKEN')
    }
  })

  test.each<[string, (envelope: string) => string]>([
    ['empty', () => ''],
    ['without version', (envelope) => envelope.slice('fgk1.'.length)],
    ['of another version', (envelope) => envelope.replace('fgk1', 'fgk2')],
    ['with a kid in upper case', (envelope) => envelope.replace(ring.kid, 'ABCDEF0123456789')],
    ['with a part more', (envelope) => `${envelope}.`],
    ['with a part less', (envelope) => envelope.slice(0, envelope.lastIndexOf('.'))],
    ['with padding', (envelope) => `${envelope}==`],
    [
      'with a short tag',
      (envelope) => `${envelope.slice(0, envelope.lastIndexOf('.'))}.${Buffer.alloc(4).toString('base64url')}`,
    ],
    ['with a short nonce', (envelope) => envelope.split('.').with(2, Buffer.alloc(8).toString('base64url')).join('.')],
    ['with space around', (envelope) => ` ${envelope}`],
  ])('%s is no envelope', (_, change) => {
    const envelope = change(ring.seal(plaintext, place))
    expect(failure(() => ring.open(envelope, place))).toBe('SEAL_MALFORMED')
    expect(kidOf(envelope)).toBeUndefined()
    expect(ring.isOutdated(envelope)).toBe(true)
  })

  test('that does not open is told by its place, without a word of it', () => {
    const envelope = ring.seal(plaintext, place)
    const text = String(new SealFailure('SEAL_BROKEN', place))
    expect(text).toContain('peer-1 in row row-1')
    for (const part of envelope.split('.').slice(2)) expect(text).not.toContain(part)
  })
})

describe('rotation', () => {
  const next = new Keyring({ secret: 'the next secret, as long as the first', previous: [secret], salt })

  test('opens what the previous secrets have sealed, seals with the current one, and tells the two apart', () => {
    const old = ring.seal(plaintext, place)
    expect(next.open(old, place)).toEqual(plaintext)
    expect([next.isOutdated(old), kidOf(old)]).toEqual([true, ring.kid])
    const anew = next.seal(next.open(old, place), place)
    expect([next.isOutdated(anew), kidOf(anew)]).toEqual([false, next.kid])
    expect(failure(() => ring.open(anew, place))).toBe('SEAL_KEY_UNKNOWN')
    expect(next.kids).toEqual([next.kid, ring.kid])
  })

  test('ends when the old secret is dropped', () => {
    const old = ring.seal(plaintext, place)
    const dropped = new Keyring({ secret: 'the next secret, as long as the first', salt })
    expect(failure(() => dropped.open(old, place))).toBe('SEAL_KEY_UNKNOWN')
  })

  test('keeps three secrets at most', () => {
    expect(() => new Keyring({ secret, previous: ['a', 'b', 'c'], salt })).not.toThrow()
    expect(() => new Keyring({ secret, previous: ['a', 'b', 'c', 'd'], salt })).toThrow(/3 previous/)
    expect(() => new Keyring({ secret, salt: Buffer.alloc(16) })).toThrow(/32 bytes/)
  })
})

test('keys for other purposes are other keys', () => {
  const cursor = derivedKey(secret, salt, 'federation-gateway/cursor/v1')
  expect(cursor).toHaveLength(32)
  expect(cursor).not.toEqual(derivedKey(secret, salt, 'federation-gateway/peer-key/v1'))
  expect(cursor).not.toEqual(derivedKey(secret, Buffer.alloc(32), 'federation-gateway/cursor/v1'))
})
