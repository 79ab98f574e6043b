import { createLocalJWKSet } from 'jose/jwks/local'
import { compactVerify } from 'jose/jws/compact/verify'
import { type IssuerAnswer, type IssuerClient, jsonObjectOf } from './issuer-client.ts'
import { decodeToken } from './token-context.ts'
import { ALGORITHMS } from './token-form.ts'

/** The public keys of one issuer, always from its configured URL and never from what a token says. */
export interface IssuerKeys {
  verify(token: string): Promise<'valid' | 'kid_unknown' | 'signature_invalid' | 'jwks_unavailable'>
  /** Whether the issuer still publishes that key; undefined when no set is usable. */
  publishes(kid: string): Promise<boolean | undefined>
  /** Whether a set is usable now, or could be fetched. */
  ready(): Promise<boolean>
  /** Age in ms of the set in use; undefined without one. */
  age(): number | undefined
}

export interface IssuerKeysOptions {
  url: string
  client: Pick<IssuerClient, 'get'>
  /** Milliseconds on a clock that only goes forward. Default: since the start of the process. */
  monotonic?: () => number
  /** Told about a set that was not taken, with the reason. */
  onFailure?: (failure: unknown) => void
}

interface KeySet {
  fetchedAt: number
  maxAgeMs: number
  kids: ReadonlySet<string>
  key: ReturnType<typeof createLocalJWKSet>
  /** Tokens whose signatures this very set has verified: the same text under the same keys can come out in one way only. */
  verified: Set<string>
}

const LONGEST_AGE_MS = 60_000
/** An unknown `kid` may be a rotation, or an attack on the auth server by way of us. */
const COOL_DOWN_MS = 10_000
/** How long a failed fetch is believed, so that callers do not queue up behind a dead server. */
const FAILURE_MS = 250
/** Tokens are kept as they came, of 8 KiB at most each. */
const MOST_VERIFIED = 256

export function createIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const now = options.monotonic ?? (() => performance.now())
  let set: KeySet | undefined
  let fetching: Promise<void> | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  let askedForUnknownAt = Number.NEGATIVE_INFINITY

  const fetchSet = (): Promise<void> => {
    fetching ??= options.client
      .get(options.url)
      .then((answer) => {
        set = keySetOf(answer, now())
      })
      .catch((failure: unknown) => {
        // The set before stays in use until its own age ends it.
        failedAt = now()
        options.onFailure?.(failure)
      })
      .finally(() => {
        fetching = undefined
      })
    return fetching
  }
  const usable = (): KeySet | undefined => (set !== undefined && now() - set.fetchedAt < set.maxAgeMs ? set : undefined)
  const current = async (): Promise<KeySet | undefined> => {
    const held = usable()
    if (held === undefined) {
      if (now() - failedAt >= FAILURE_MS) await fetchSet()
      return usable()
    }
    // Renewed before it ends, so that a caller rarely waits and a short outage goes unnoticed.
    if (now() - held.fetchedAt > held.maxAgeMs / 2 && now() - failedAt >= COOL_DOWN_MS / 10) void fetchSet()
    return held
  }
  const currentWith = async (kid: string): Promise<KeySet | undefined> => {
    const held = await current()
    if (held === undefined || held.kids.has(kid)) return held
    if (now() - askedForUnknownAt >= COOL_DOWN_MS) {
      askedForUnknownAt = now()
      await fetchSet()
    } else if (fetching !== undefined) await fetching
    return usable()
  }

  return {
    async verify(token) {
      const kid = decodeToken(token).header?.kid
      if (typeof kid !== 'string') return 'kid_unknown'
      const held = await currentWith(kid)
      if (held === undefined) return 'jwks_unavailable'
      if (!held.kids.has(kid)) return 'kid_unknown'
      if (held.verified.has(token)) return 'valid'
      try {
        await compactVerify(token, held.key, { algorithms: [...ALGORITHMS] })
      } catch {
        // A wrong signature, or a key that is not one for this `alg`: the token is not this issuer's either way.
        return 'signature_invalid'
      }
      if (held.verified.size >= MOST_VERIFIED) held.verified.clear()
      held.verified.add(token)
      return 'valid'
    },
    async publishes(kid) {
      return (await currentWith(kid))?.kids.has(kid)
    },
    async ready() {
      return (await current()) !== undefined
    },
    age: () => (set === undefined ? undefined : now() - set.fetchedAt),
  }
}

/** Takes public signature keys only; a set with none, or with one `kid` twice, is a bad answer. */
function keySetOf(answer: IssuerAnswer, fetchedAt: number): KeySet {
  const { keys } = jsonObjectOf(answer)
  if (!Array.isArray(keys)) throw new Error('the key set has no member "keys"')
  const good = keys.filter(isPublicSignatureKey)
  const kids = new Set(good.map((key) => key.kid))
  if (good.length === 0) throw new Error('the key set holds no public signature key')
  if (kids.size !== good.length) throw new Error('the key set holds one kid twice')
  const key = createLocalJWKSet({ keys: good })
  return { fetchedAt, maxAgeMs: maxAgeOf(answer), kids, key, verified: new Set() }
}

interface PublicKey {
  kid: string
  kty: string
}

/** RFC 7517 section 4: `oct` is a secret and never a key to verify with; `use` and `key_ops` must allow verifying. */
function isPublicSignatureKey(value: unknown): value is PublicKey {
  if (value === null || typeof value !== 'object') return false
  const key = value as Record<string, unknown>
  return (
    typeof key.kid === 'string' &&
    key.kid !== '' &&
    (key.kty === 'EC' || key.kty === 'RSA' || key.kty === 'OKP') &&
    key.d === undefined &&
    (key.use === undefined || key.use === 'sig') &&
    (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify')))
  )
}

/** RFC 9111 section 5.2.2.1, from 1 s to 60 s: how long a retired key could live on here. */
function maxAgeOf(answer: IssuerAnswer): number {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(answer.headers['cache-control'] ?? '')?.[1]
  return seconds === undefined ? LONGEST_AGE_MS : Math.min(LONGEST_AGE_MS, Math.max(1_000, Number(seconds) * 1000))
}
