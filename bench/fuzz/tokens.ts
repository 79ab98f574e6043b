import { CompactSign, type CryptoKey } from 'jose'
import type { Choices } from '../random.ts'
import { mutateBytes, mutateJson, mutateText } from './mutate.ts'

export interface TokenMaterial {
  /** A token that is accepted as it is. */
  readonly token: string
  /** The private key that signed it: what an insider would have. */
  readonly key: CryptoKey
}

export interface MutantToken {
  readonly token: string
  /** Its signature cannot fit any more, so that whoever accepts it has verified nothing. */
  readonly isForged: boolean
}

/** A token that was broken in its text, in a part, or inside of header or claims; signed anew where an insider could have. */
export async function mutantToken(choices: Choices, material: TokenMaterial): Promise<MutantToken> {
  // The more telling half: the signature fits what was changed.
  if (choices.chance(0.45)) return { token: await choices.pick(SIGNED)(choices, material), isForged: false }
  const token = choices.pick(UNSIGNED)(choices, material.token)
  return { token, isForged: !saysTheSame(token, material.token) }
}

const UNSIGNED: readonly ((choices: Choices, token: string) => string)[] = [
  mutateText,
  withParts,
  withSignature,
  (choices, token) => withHeader(token, mutateJson(choices, headerOf(token))),
  (choices, token) => withClaims(token, Buffer.from(mutateJson(choices, claimsOf(token)))),
  (choices, token) => withParts(choices, withHeader(token, mutateJson(choices, headerOf(token)))),
  (choices, token) => mutateText(choices, token.repeat(1 + choices.below(8))),
]

const SIGNED: readonly ((choices: Choices, material: TokenMaterial) => Promise<string>)[] = [
  signedHeader,
  signedClaims,
  signedClaims,
  (choices, { token, key }) => sign(mutateBytes(choices, partOf(token, 1)), headerOf(token), key),
]

async function signedClaims(choices: Choices, { token, key }: TokenMaterial): Promise<string> {
  return sign(Buffer.from(mutateJson(choices, claimsOf(token))), headerOf(token), key)
}

async function signedHeader(choices: Choices, { token, key }: TokenMaterial): Promise<string> {
  const text = mutateJson(choices, headerOf(token))
  try {
    const header = JSON.parse(text) as Record<string, unknown>
    return await sign(partOf(token, 1), { ...header, alg: 'ES256' }, key)
  } catch {
    // No signer takes such a header, so it goes out under the signature that it had.
    return withHeader(token, text)
  }
}

function sign(payload: Uint8Array, header: Record<string, unknown>, key: CryptoKey): Promise<string> {
  return new CompactSign(payload).setProtectedHeader({ ...header, alg: 'ES256' }).sign(key)
}

function withParts(choices: Choices, token: string): string {
  const parts = token.split('.')
  const at = choices.below(parts.length)
  const kind = choices.below(9)
  if (kind === 0) parts.splice(at, 1)
  if (kind === 1) parts.splice(at, 0, parts[at] ?? '')
  if (kind === 2) parts[at] = ''
  if (kind === 3) parts.reverse()
  if (kind === 4) parts[at] = `${parts[at]}${choices.pick(['=', '==', '\n', ' ', '%20', '\u0000'])}`
  if (kind === 5) parts[at] = (parts[at] ?? '').replaceAll('-', '+').replaceAll('_', '/')
  if (kind === 6) parts[at] = choices.bytes(choices.below(200)).toString('base64url')
  if (kind === 7) parts[at] = Buffer.from(mutateBytes(choices, partOf(token, at))).toString('base64url')
  if (kind === 8) return ['.'.repeat(choices.below(5_000)), token].join(choices.pick(['', '.']))
  return parts.join('.')
}

/** Special values of r and s, wrong lengths, and the other encoding of the same numbers. */
function withSignature(choices: Choices, token: string): string {
  const signature = partOf(token, 2)
  const half = signature.length / 2
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const special = [Buffer.alloc(half), Buffer.alloc(half, 255), order, signature.subarray(0, half), Buffer.alloc(0)]
  const made = choices.chance(0.5)
    ? Buffer.concat([choices.pick(special), choices.pick(special)])
    : mutateBytes(choices, signature)
  return [...token.split('.').slice(0, 2), made.toString('base64url')].join('.')
}

function withHeader(token: string, header: string): string {
  return [Buffer.from(header).toString('base64url'), ...token.split('.').slice(1)].join('.')
}

function withClaims(token: string, claims: Buffer): string {
  const [header, , signature] = token.split('.')
  return [header, claims.toString('base64url'), signature].join('.')
}

/**
 * Whether what is signed is the same text, under a signature of the same bytes: base64url of 64 bytes leaves bits that no decoder
 * looks at (RFC 4648 section 3.5).
 */
function saysTheSame(token: string, original: string): boolean {
  const signed = (text: string) => text.slice(0, text.lastIndexOf('.'))
  return signed(token) === signed(original) && partOf(token, 2).equals(partOf(original, 2))
}

function partOf(token: string, at: number): Buffer {
  return Buffer.from(token.split('.')[at] ?? '', 'base64url')
}

function headerOf(token: string): Record<string, unknown> {
  return JSON.parse(partOf(token, 0).toString()) as Record<string, unknown>
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(partOf(token, 1).toString()) as Record<string, unknown>
}
