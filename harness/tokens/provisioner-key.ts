import type { JWK } from 'jose'
import { HoldfastError } from '../errors.ts'

/** The key of a provisioner cannot be had: it is not there, or stays encrypted. Code `HOLDFAST_PROVISIONER`. */
export class ProvisionerRefused extends HoldfastError {
  constructor(message: string) {
    super('HOLDFAST_PROVISIONER', message)
  }
}

/** More rounds than the authors of step take (600 000), and few enough to end. */
const mostRounds = 2_000_000

interface Source {
  readonly name: string
  /** A private JWK; a JWE of one; or what a step-ca tells of its provisioners (`GET /provisioners`), with such a JWE each. */
  readonly text: string
  /** Where it is from, for messages. */
  readonly place: string
  readonly password?: string
}

/** The private JWK with which a JWK provisioner of step-ca signs one-time tokens. @throws ProvisionerRefused */
export async function provisionerKey(source: Source): Promise<JWK> {
  const { text, place, password } = source
  const found = parsed(text)
  const key = isListed(found) ? encryptedKeyOf(source, found.provisioners) : (found ?? text.trim())
  if (typeof key === 'object' && 'kty' in key) {
    if ('d' in key) return key as JWK
    throw new ProvisionerRefused(`${place} holds a public key; name the private one of the provisioner`)
  }
  if (password === undefined) {
    throw new ProvisionerRefused(`${place} holds no private JWK; where it is encrypted, name a file with its password`)
  }
  const { compactDecrypt, flattenedDecrypt } = await import('jose')
  const options = { maxPBES2Count: mostRounds, keyManagementAlgorithms: ['PBES2-HS256+A128KW'] }
  const secret = new TextEncoder().encode(password)
  try {
    const { plaintext } = await (typeof key === 'string'
      ? compactDecrypt(key, secret, options)
      : flattenedDecrypt(key as never, secret, options))
    return JSON.parse(new TextDecoder().decode(plaintext)) as JWK
  } catch {
    throw new ProvisionerRefused(`${place} is not opened by the password of "${source.name}"; name the right one`)
  }
}

interface Listed {
  readonly type: string
  readonly name: string
  readonly encryptedKey?: string
}

function isListed(value: unknown): value is { provisioners: readonly Listed[] } {
  return (
    typeof value === 'object' && value !== null && Array.isArray((value as { provisioners?: unknown }).provisioners)
  )
}

function encryptedKeyOf({ name, place }: Source, provisioners: readonly Listed[]): string {
  const able = provisioners.filter(({ type }) => type === 'JWK')
  const found = able.find((one) => one.name === name)
  if (found?.encryptedKey) return found.encryptedKey
  if (found !== undefined)
    throw new ProvisionerRefused(`${place} keeps the key of "${name}" to itself; name a file with it`)
  const known = able.map((one) => one.name).join(', ') || 'none'
  throw new ProvisionerRefused(`${place} has no JWK provisioner "${name}"; it has ${known}`)
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
