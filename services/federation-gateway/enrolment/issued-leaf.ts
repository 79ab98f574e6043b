import type { KeyObject, X509Certificate } from 'node:crypto'
import { guard } from '../../shared/guard.ts'
import { leadsTo } from '../certificates/chain.ts'
import { readProvisioner, readUuid } from '../certificates/extension-values.ts'
import { isClientLeaf } from '../certificates/guards.ts'
import { type Leaf, readLeaf } from '../certificates/leaf.ts'
import type { Serial } from '../serial.ts'
import { refused } from '../wire/errors.ts'

/** What a certificate must be that was just issued. */
export interface AskedLeaf {
  readonly publicKey: KeyObject
  readonly commonName: string
  readonly grantId: string
  readonly subjectUserId: string
  /** What was asked for. */
  readonly seconds: number
}

/** Whose word is taken for it. */
export interface IssuingTrust {
  /** The pinned root. */
  readonly root: X509Certificate
  readonly oids: { readonly grant: string; readonly subject: string }
  /** Who at the CA must have issued it. Undefined for whoever is not told: the asking gateway. */
  readonly provisioner: { readonly name: string; readonly kid: string } | undefined
  readonly now: number
}

/** What is wrong with an issued certificate. */
export type LeafProblem = 'chain' | 'key' | 'name' | 'profile' | 'oid' | 'validity'

/** step-ca sets the beginning back by one minute; another one is for clocks that differ. */
const LONGER_MS = 120_000

/**
 * Judges what a CA has answered, leaf first. There is no way round: what cannot be read is as wrong as what says something else
 * than was asked for.
 */
export function issuedLeafProblem(
  chain: readonly X509Certificate[],
  asked: AskedLeaf,
  trust: IssuingTrust,
): LeafProblem | undefined {
  const [certificate] = chain
  if (certificate === undefined || !leadsTo(trust.root, chain, trust.now)) return 'chain'
  const leaf = readLeaf(certificate)
  if (leaf === undefined) return 'profile'
  if (!leaf.publicKey.equals(asked.publicKey)) return 'key'
  if (leaf.commonNames.join() !== asked.commonName || leaf.names.join() !== `dNSName:${asked.commonName}`) return 'name'
  if (!isClientLeaf(leaf) || !isOfProvisioner(leaf, trust.provisioner)) return 'profile'
  const { grant, subject } = trust.oids
  const isNamed =
    readUuid(leaf.extensions, grant).value === asked.grantId &&
    readUuid(leaf.extensions, subject).value === asked.subjectUserId
  if (!isNamed) return 'oid'
  return isValid(leaf, asked.seconds, trust.now) ? undefined : 'validity'
}

function isOfProvisioner({ extensions }: Leaf, expected: IssuingTrust['provisioner']): boolean {
  if (expected === undefined) return true
  const named = readProvisioner(extensions)
  return named?.name === expected.name && named.kid === expected.kid
}

function isValid({ notBefore, notAfter }: Leaf, seconds: number, now: number): boolean {
  const [begin, end] = [notBefore.getTime(), notAfter.getTime()]
  return begin <= now && now < end && end - begin <= seconds * 1000 + LONGER_MS
}

/** A CA's answer for an enrolment. */
export interface IssuedLeaf {
  readonly chain: readonly X509Certificate[]
  readonly asked: AskedLeaf
  readonly trust: IssuingTrust
  /** Whether a certificate with this serial number was registered before. */
  readonly isSerialKnown: (serial: Serial) => Promise<boolean>
}

const REASON_OF: Readonly<Record<LeafProblem, string>> = {
  oid: 'issued_oid_mismatch',
  key: 'issued_key_mismatch',
  chain: 'issued_chain',
  profile: 'issued_profile',
  name: 'issued_profile',
  validity: 'issued_validity',
}

/**
 * Why a certificate that was just issued is not taken. A serial number that was there before is no profile of a new one (RFC 5280 section
 * 4.1.2.2).
 */
export async function reasonAgainst({ chain, asked, trust, isSerialKnown }: IssuedLeaf): Promise<string | undefined> {
  const problem = issuedLeafProblem(chain, asked, trust)
  if (problem !== undefined) return REASON_OF[problem]
  return (await isSerialKnown(readLeaf(chain[0]!)!.serial)) ? REASON_OF.profile : undefined
}

export const enrCaLeaf = guard<IssuedLeaf>('enr.ca-leaf', [...new Set(Object.values(REASON_OF))], async (issued) => {
  const reason = await reasonAgainst(issued)
  return reason === undefined ? undefined : refused('dependency_unavailable', reason)
})
