import { expect, test } from 'vitest'
import type { TlsConnection } from '../../shared/tls-listener.ts'
import { type LiveContext, liveRecheck } from './live-recheck.ts'
import { peerTls } from './peer-tls.ts'

const NOW = Date.parse('2030-01-01T00:00:00Z')

interface World {
  mode?: 'jwks' | 'both' | 'introspection'
  publishes?: boolean | undefined
  active?: unknown
  sinceGoodMs?: number
  exp?: number
  notAfter?: number
}

/** Only what the guard looks at; the anchor is the certificate itself. */
function live(world: World): LiveContext {
  const payload = { sub: 'node-b', aud: 'a', cnf: { 'x5t#S256': 'x' } }
  const answer = world.active === undefined ? 'unavailable' : { active: world.active, ...payload }
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const anchor = { raw: Buffer.from('root') }
  return {
    isDeep: true,
    sinceGoodMs: world.sinceGoodMs ?? 0,
    claims: { exp: world.exp ?? NOW / 1000 + 60 },
    certificate: {
      domain: 'org-b',
      // SHA-256 of the bytes above.
      anchor: 'SBNJTRN-FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I',
      notAfter: new Date(world.notAfter ?? NOW + 60_000),
    },
    material: { anchors: new Map([['org-b', [anchor]]]) },
    token: {
      token: `${part({ alg: 'ES256', kid: 'one' })}.${part(payload)}.c2ln`,
      policy: {
        mode: world.mode ?? 'both',
        clockSkewSeconds: 30,
        now: () => NOW,
        keys: { publishes: async () => ('publishes' in world ? world.publishes : true) },
        introspection: {
          ask: async (_token: string, _expiresAt: number, isAnew?: boolean) => (isAnew ? answer : { active: true }),
        },
      },
    },
  } as unknown as LiveContext
}

test.each<[string, World, string | undefined]>([
  ['all is well', { active: true }, undefined],
  ['revoked', { active: false }, 'token_ended'],
  ['key retired', { active: true, publishes: false }, 'token_ended'],
  ['key retired, mode jwks', { mode: 'jwks', publishes: false }, 'token_ended'],
  ['revoked, which mode jwks cannot see', { mode: 'jwks', active: false }, undefined],
  ['expired, within the skew', { active: true, exp: NOW / 1000 - 29 }, undefined],
  ['expired', { active: true, exp: NOW / 1000 - 30 }, 'token_ended'],
  ['certificate ended', { active: true, notAfter: NOW }, 'certificate_ended'],
  ['no answer, for a moment', { sinceGoodMs: 20_000 }, undefined],
  ['no answer, for too long', { sinceGoodMs: 23_000 }, 'auth_unavailable'],
  ['no keys, for too long', { mode: 'jwks', publishes: undefined, sinceGoodMs: 23_000 }, 'auth_unavailable'],
])('a live session: %s', async (_, world, reason) => {
  expect((await liveRecheck.check(live(world)))?.reason).toBe(reason)
})

test('what the handshake says of a certificate is the reason of the gate', () => {
  const judged = (problem: string | undefined) =>
    peerTls.check({ certificate: { problem } } as unknown as TlsConnection) as { reason: string } | undefined
  expect(judged('cert_weak')).toEqual({ reason: 'cert_weak', status: null })
  expect(judged(undefined)).toBeUndefined()
})
