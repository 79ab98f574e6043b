import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** Where a sealed key lies. The seal is bound to it: moved to another row or peer, a ciphertext opens no more. */
export interface SealPlace {
  readonly rowId: string
  readonly peerId: string
}

export type SealFailureCode = 'SEAL_MALFORMED' | 'SEAL_KEY_UNKNOWN' | 'SEAL_BROKEN'

/** A sealed key that does not open. Says which row, and nothing of what is in it. */
export class SealFailure extends Error {
  readonly code: SealFailureCode

  constructor(code: SealFailureCode, { rowId, peerId }: SealPlace) {
    super(`the sealed key of peer ${peerId} in row ${rowId} does not open: ${WHY[code]}`)
    this.name = 'SealFailure'
    this.code = code
  }
}

const WHY: Readonly<Record<SealFailureCode, string>> = {
  SEAL_MALFORMED: 'it is no fgk1 envelope; enrol the peer again',
  SEAL_KEY_UNKNOWN: 'it was sealed with a secret that is not configured; give that one in BETTER_AUTH_SECRET_PREVIOUS',
  SEAL_BROKEN: 'it was changed, or is of another row; enrol the peer again',
}

const VERSION = 'fgk1'
const TABLE = 'federation_peer_credentials'
const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
/** RFC 5116 section 5.2: 12 octets of nonce, 16 of tag. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KID_BYTES = 8

interface SealingKey {
  readonly kid: string
  readonly key: Buffer
}

/** How many secrets besides the current one may still open what they have sealed. */
export const MOST_PREVIOUS = 3

/** The sealing keys of one database: the first seals, every one opens. */
export class Keyring {
  readonly #current: SealingKey
  readonly #keys: ReadonlyMap<string, SealingKey>

  /** `salt`: 32 random bytes that belong to the database. */
  constructor({ secret, previous = [], salt }: { secret: string; previous?: readonly string[]; salt: Buffer }) {
    if (salt.length !== 32) throw new RangeError(`a keyring needs a salt of 32 bytes, and this has ${salt.length}`)
    if (previous.length > MOST_PREVIOUS) throw new RangeError(`a keyring takes ${MOST_PREVIOUS} previous secrets`)
    this.#current = sealingKey(secret, salt)
    const all = [this.#current, ...previous.map((old) => sealingKey(old, salt))]
    this.#keys = new Map(all.map((key) => [key.kid, key]))
  }

  /** Names the key that seals now: 16 hex digits. */
  get kid(): string {
    return this.#current.kid
  }

  get kids(): readonly string[] {
    return [...this.#keys.keys()]
  }

  /** `fgk1.<kid>.<nonce>.<ciphertext>.<tag>`, base64url. */
  seal(plaintext: Uint8Array, place: SealPlace): string {
    const nonce = randomBytes(NONCE_BYTES)
    const { kid, key } = this.#current
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(boundTo(place, kid))
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
    return [VERSION, kid, ...[nonce, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'))].join(
      '.',
    )
  }

  /** What was sealed. Nothing of it leaves this function before its tag was checked. @throws SealFailure */
  open(envelope: string, place: SealPlace): Buffer {
    const parts = partsOf(envelope)
    if (parts === undefined) throw new SealFailure('SEAL_MALFORMED', place)
    const sealing = this.#keys.get(parts.kid)
    if (sealing === undefined) throw new SealFailure('SEAL_KEY_UNKNOWN', place)
    const decipher = createDecipheriv(CIPHER, sealing.key, parts.nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(boundTo(place, parts.kid)).setAuthTag(parts.tag)
    const unproven = decipher.update(parts.ciphertext)
    try {
      return Buffer.concat([unproven, decipher.final()])
    } catch {
      throw new SealFailure('SEAL_BROKEN', place)
    } finally {
      unproven.fill(0)
    }
  }

  /** Whether a row was sealed with a previous secret, and so is one for `keys rotate`. */
  isOutdated(envelope: string): boolean {
    return kidOf(envelope) !== this.#current.kid
  }
}

/** The kid that an envelope names; undefined for what is none. */
export function kidOf(envelope: string): string | undefined {
  return partsOf(envelope)?.kid
}

/** A key for another purpose from the same secret (RFC 5869): that of cursors, for one. */
export function derivedKey(
  secret: string,
  salt: Buffer,
  info: `federation-gateway/${string}`,
  bytes = KEY_BYTES,
): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, bytes))
}

function sealingKey(secret: string, salt: Buffer): SealingKey {
  return {
    kid: derivedKey(secret, salt, 'federation-gateway/peer-key/v1/kid', KID_BYTES).toString('hex'),
    key: derivedKey(secret, salt, 'federation-gateway/peer-key/v1'),
  }
}

function boundTo({ rowId, peerId }: SealPlace, kid: string): Buffer {
  return Buffer.from([TABLE, rowId, peerId, VERSION, kid].join('|'))
}

function partsOf(envelope: string): { kid: string; nonce: Buffer; ciphertext: Buffer; tag: Buffer } | undefined {
  const [version, kid = '', ...encoded] = envelope.split('.')
  if (version !== VERSION || !/^[0-9a-f]{16}$/.test(kid) || encoded.length !== 3) return undefined
  const [nonce, ciphertext, tag] = encoded.map((text) => Buffer.from(text, 'base64url')) as [Buffer, Buffer, Buffer]
  // One envelope has one spelling; Node's reader would take others for it.
  const isExact = [nonce, ciphertext, tag].every((bytes, at) => bytes.toString('base64url') === encoded[at])
  if (!isExact || nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) return undefined
  return { kid, nonce, ciphertext, tag }
}
