import { readFileSync, statSync } from 'node:fs'
import type { CryptoKey, JWK } from 'jose'
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint'
import { exportJWK } from 'jose/key/export'
import { importJWK } from 'jose/key/import'
import { StartFailure } from '../shared/start-failure.ts'
import type { KeyState, KeyStore, StoredKey } from './store/keys.ts'

export const SIGNING_ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'PS256'] as const
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number]

/** A key that signs: `jwk` holds its private part, and its `kid` is the RFC 7638 thumbprint. */
export interface SigningKey {
  kid: string
  alg: SigningAlgorithm
  jwk: JWK
}

export interface RotationResult {
  kid: string
  previous: { kid: string; state: KeyState; until: number }[]
}

export class RotationInProgress extends Error {
  constructor() {
    super('a rotation is in progress')
    this.name = 'RotationInProgress'
  }
}

/** The signing keys of this server, with what is needed of them at every moment. */
export interface KeyRing {
  active(): SigningKey
  list(): StoredKey[]
  /** Public keys that verify now: states `active` and `grace`. */
  jwks(): { keys: JWK[] }
  /** The public key that verifies `kid` now. */
  verifier(kid: string): Promise<{ alg: string; key: CryptoKey | Uint8Array } | undefined>
  isRotating(): boolean
  /** Throws `RotationInProgress` when another rotation has not ended yet. */
  rotate(order: { alg?: SigningAlgorithm; graceSeconds?: number }): Promise<RotationResult>
  /** Retires keys whose grace is over. */
  retire(): void
}

const now = (): number => Math.floor(Date.now() / 1000)

/** Loads the keys; a store without an active key gets one, imported from `importKey` or made here. */
export async function openKeyRing(
  store: KeyStore,
  signing: { alg: SigningAlgorithm; importKey?: string },
): Promise<KeyRing> {
  if (!store.list(now()).some((key) => key.state === 'active')) {
    const first =
      signing.importKey === undefined ? await generate(signing.alg) : await importKey(signing.importKey, signing.alg)
    store.activate({ kid: first.kid, alg: first.alg, jwk: JSON.stringify(first.jwk) }, now())
  }
  let usable = load(store)
  let isRotating = false
  const verifiers = new Map<string, Promise<CryptoKey | Uint8Array>>()

  return {
    active: () => (usable.find((key) => key.state === 'active') as UsableKey).signing,
    list: () => store.list(now()),
    jwks: () => ({ keys: usable.filter(verifies).map((key) => publicPart(key.signing)) }),
    async verifier(kid) {
      const key = usable.find((candidate) => candidate.signing.kid === kid && verifies(candidate))
      if (key === undefined) return undefined
      const imported = verifiers.get(kid) ?? importJWK(publicPart(key.signing), key.signing.alg)
      verifiers.set(kid, imported)
      return { alg: key.signing.alg, key: await imported }
    },
    isRotating: () => isRotating,
    async rotate({ alg, graceSeconds }) {
      if (isRotating) throw new RotationInProgress()
      isRotating = true
      try {
        const next = await generate(alg ?? signing.alg)
        const before = usable.filter(verifies)
        const at = now()
        const until = graceSeconds === undefined ? undefined : at + graceSeconds
        store.activate({ kid: next.kid, alg: next.alg, jwk: JSON.stringify(next.jwk) }, at, until)
        usable = load(store)
        const states = new Map(store.list(now()).map((key) => [key.kid, key]))
        const previous = before.map(({ signing: { kid } }) => {
          const stored = states.get(kid)
          return { kid, state: stored?.state ?? 'retired', until: stored?.until ?? at }
        })
        return { kid: next.kid, previous }
      } finally {
        isRotating = false
      }
    },
    retire() {
      if (usable.every(verifies)) return
      store.retire(now())
      usable = load(store)
    },
  }
}

/**
 * Reads a private JWK, such as `step crypto jwk create` writes it.
 *
 * @throws StartFailure (`config_invalid`) for a file that others can read, that holds no private JWK, or one of another algorithm.
 */
export async function importKey(file: string, alg: SigningAlgorithm): Promise<SigningKey> {
  const wrong = (problem: string, cause?: unknown) =>
    new StartFailure('config_invalid', `signing.importKey ${file} ${problem}`, { cause })
  let text: string
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw wrong('is open to others; chmod it to 0600')
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if (cause instanceof StartFailure) throw cause
    throw wrong(`cannot be read (${(cause as NodeJS.ErrnoException).code}); name a readable JWK file`, cause)
  }
  try {
    const jwk = JSON.parse(text) as JWK
    if (typeof jwk.d !== 'string' || (jwk.alg !== undefined && jwk.alg !== alg)) throw new Error('no private key')
    const key = await importJWK(jwk, alg, { extractable: true })
    if (key instanceof Uint8Array || key.type !== 'private') throw new Error('no private key')
    return await describe(key, alg)
  } catch (cause) {
    throw wrong(`holds no private JWK for ${alg}; make one, or set signing.alg to its algorithm`, cause)
  }
}

async function generate(alg: SigningAlgorithm): Promise<SigningKey> {
  const { generateKeyPair } = await import('jose/key/generate/keypair')
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return describe(privateKey, alg)
}

async function describe(privateKey: CryptoKey, alg: SigningAlgorithm): Promise<SigningKey> {
  const jwk = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint(jwk)
  return { kid, alg, jwk: { ...jwk, kid, alg, use: 'sig' } }
}

interface UsableKey {
  state: KeyState
  until?: number
  signing: SigningKey
}

function load(store: KeyStore): UsableKey[] {
  return store.list(now()).flatMap((key) => {
    const text = key.state === 'retired' ? undefined : store.privateJwk(key.kid)
    if (text === undefined) return []
    const signing = { kid: key.kid, alg: key.alg as SigningAlgorithm, jwk: JSON.parse(text) as JWK }
    return [{ state: key.state, until: key.until, signing }]
  })
}

function verifies(key: UsableKey): boolean {
  return key.state === 'active' || (key.until ?? 0) > now()
}

function publicPart({ jwk, kid, alg }: SigningKey): JWK {
  const { kty, crv, x, y, n, e } = jwk
  const all: JWK = { kty, crv, x, y, n, e, kid, alg, use: 'sig' }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as JWK
}
