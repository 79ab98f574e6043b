import { isUser } from '@nats-io/jwt'
import { decodeSigned } from './signed-jwt.ts'
import { publicKeyIn } from './signing-key.ts'

/** What a credentials file holds: who it is, as its account says, and the seed that proves it. */
export interface Creds {
  readonly jwt: string
  /** Secret. */
  readonly seed: string
  readonly claims: UserClaims
}

/** Of a user's JWT, what is judged here. */
export interface UserClaims {
  readonly name: string
  /** Public key of the user. */
  readonly sub: string
  /** Key that signed: the account's own, or one of its signing keys. */
  readonly iss: string
  readonly iat: number
  readonly exp?: number
  readonly nbf?: number
  readonly nats: Readonly<Record<string, unknown>> & {
    readonly issuer_account?: string
    readonly bearer_token?: boolean
    readonly tags?: readonly string[]
  }
}

/**
 * As the tools of NATS write it and no other way: five dashes before BEGIN and six before END, the banner between the blocks, and after the
 * seed nothing but the line of stars. Libraries take far more, so that what they read may not be what a person sees.
 */
const LINES = [
  '-----BEGIN NATS USER JWT-----',
  '([\\w-]+\\.[\\w-]+\\.[\\w-]+)',
  '------END NATS USER JWT------',
  '',
  '\\*{25} IMPORTANT \\*{25}',
  'NKEY Seed printed below can be used (?:to )?sign and prove identity\\.',
  'NKEYs are sensitive and should be treated as secrets\\.',
  '',
  '-----BEGIN USER NKEY SEED-----',
  '(SU[A-Z2-7]{56})',
  '------END USER NKEY SEED------',
]
const FORM = new RegExp(`^${LINES.join('\\r?\\n')}(?:\\r?\\n(?:\\r?\\n\\*{61}(?:\\r?\\n)?)?)?$`)

/** Reads a credentials file. Undefined for everything that is not one, whatever it is: nobody should guess at a damaged secret. */
export function readCreds(text: string): Creds | undefined {
  const [, jwt, seed] = FORM.exec(text) ?? []
  if (jwt === undefined || seed === undefined) return undefined
  const claims = readUser(jwt)
  return claims !== undefined && publicKeyOf(seed) === claims.sub ? { jwt, seed, claims } : undefined
}

/** Claims of a user's JWT, its signature verified by the key that it names; whose key that is, others judge. */
export function readUser(jwt: string): UserClaims | undefined {
  try {
    const claims = decodeSigned<Record<string, unknown>>(jwt)
    return isUser(claims) && isText(claims.name) && isText(claims.sub) ? (claims as unknown as UserClaims) : undefined
  } catch {
    return undefined
  }
}

/** Kind of a JWT (`operator`, `account`, `user`, …), whether or not its signature is right. */
export function kindOf(jwt: string): string | undefined {
  try {
    const payload = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
      nats?: { type?: unknown }
      type?: unknown
    }
    const type = payload.nats?.type ?? payload.type
    return typeof type === 'string' ? type : undefined
  } catch {
    return undefined
  }
}

/** Undefined for what is no seed. */
export function publicKeyOf(seed: string): string | undefined {
  try {
    return publicKeyIn(new TextEncoder().encode(seed))
  } catch {
    return undefined
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
