import { createHash } from 'node:crypto'
import type { JWK } from 'jose'
import { placeOf } from '../../topology/holders.ts'
import type { HeldFiles } from '../credential-kind.ts'
import { type Finding, findingsAt, type Problem } from '../finding.ts'
import type { PlanJwk } from './planned.ts'

const wayOut = 'see what wrote it after its hand-over'

/** What is wrong with the keys that lie at their holders. */
export function jwkFindings(held: readonly PlanJwk[], { read, modeOf }: HeldFiles): Promise<Finding[]> {
  return findingsAt(held, async (credential, holder, path) => {
    const [text, mode] = await Promise.all([read(holder, path), modeOf(holder, path)])
    return [...modeProblems(mode), ...keyProblems(text), ...(await sameProblems(credential, text, read))]
  })
}

function modeProblems(mode: number): Problem[] {
  if ((mode & 0o007) === 0) return []
  return [['mode', `can be read by everybody on its holder (0${mode.toString(8)})`, 'give it mode 0600, and a new key']]
}

function keyProblems(text: string): Problem[] {
  const key = keyIn(text)
  if (key === undefined) return [['readable', 'holds no JWK', wayOut]]
  const { kty, d, kid } = key
  if (kty !== 'EC' && kty !== 'RSA') {
    return [['asymmetric', `holds a key of type ${kty}, which verifiers would have to have, too`, 'use an EC key']]
  }
  const thumbprint = thumbprintOf(key)
  return [
    ...(d === undefined ? [['private', 'holds the public half alone, which signs nothing', wayOut] as const] : []),
    ...(kid === thumbprint
      ? []
      : [['key-id', `has the kid ${kid ?? 'of nobody'}, and its thumbprint is ${thumbprint}`, wayOut] as const]),
  ]
}

/** All its holders sign for one provisioner, which knows one key. */
async function sameProblems(credential: PlanJwk, text: string, read: HeldFiles['read']): Promise<Problem[]> {
  const [first] = credential.holders
  const other = await read(first!, placeOf(credential, first)).catch(() => undefined)
  const [own, theirs] = [keyIn(text), other === undefined ? undefined : keyIn(other)]
  if (own === undefined || theirs === undefined || thumbprintOf(own) === thumbprintOf(theirs)) return []
  return [['same', `is another key than at ${first}`, wayOut]]
}

function keyIn(text: string): JWK | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'kty' in value ? (value as JWK) : undefined
  } catch {
    return undefined
  }
}

/** RFC 7638 section 3.2: the required members of its type in their order, and nothing else. */
export function thumbprintOf({ kty, crv, x, y, e, n }: JWK): string {
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
