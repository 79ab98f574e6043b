import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importJWK, type JWK } from 'jose'
import { expect, test } from 'vitest'
import { type JwsGroup, tally, wycheproof } from '../shared/testing/vectors.ts'
import { importKey, type KeyRing } from './keys.ts'
import type { Store } from './store/store.ts'
import { readToken } from './token-reading.ts'

test('RFC 8037 appendix A: a key that is imported gets the name that the standard works out', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'holdfast-vectors-')), 'key.json')
  const jwk = {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  }
  writeFileSync(file, JSON.stringify(jwk), { mode: 0o600 })
  expect((await importKey(file, 'EdDSA')).kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
})

test('introspection and revocation take none of the published JWS for a token, whatever key signed it', async () => {
  const outcomes: string[] = []
  for (const { tests, public: open, private: secret } of wycheproof<JwsGroup>('json_web_signature')) {
    const key = await importJWK((open ?? secret) as JWK, 'ES256').catch(() => new Uint8Array(32))
    const ring = { verifier: async () => ({ alg: 'ES256', key }) } as unknown as KeyRing
    for (const { jws } of tests) {
      const reading = await readToken(
        typeof jws === 'string' ? jws : JSON.stringify(jws),
        ring,
        {} as Store,
        'https://auth.test',
      )
      outcomes.push('nothing' in reading ? reading.nothing : 'a token')
    }
  }
  expect(tally(outcomes)).toEqual({ malformed: 401 })
})
