import {
  authorityOfLeaf,
  issueLeaf,
  issueSelfSigned,
  type LeafOptions,
  rogueAuthority,
  type SigningAuthority,
} from './authority.ts'
import type { Identity } from './certificate.ts'

/** Who the spoiled certificate pretends to be, and who signs it where the spoiling leaves that open. */
export interface Pretence {
  authority: SigningAuthority
  subject: string
  sans: readonly string[]
}

export type Spoiling =
  | 'expired'
  | 'notYetValid'
  | 'otherCa'
  | 'serverAuthOnly'
  | 'noEku'
  | 'selfSigned'
  | 'cnOnly'
  | 'leafSignedByLeaf'
  | 'unknownCritical'
  | 'weakKey'

const hourMs = 3_600_000
// An OID of a private arc (2.25, a UUID) that no verifier knows, holding an ASN.1 NULL.
const unknownExtension = { oid: '2.25.4096', critical: true, der: new Uint8Array([5, 0]) }

/** Each makes a certificate that is right but for the one thing that its name says. */
export const spoiled: Readonly<Record<Spoiling, (pretence: Pretence) => Promise<Identity>>> = {
  expired: (who) => issueLeaf({ ...who, notBefore: fromNow(-2 * hourMs), notAfter: fromNow(-hourMs) }),
  notYetValid: (who) => issueLeaf({ ...who, notBefore: fromNow(hourMs), notAfter: fromNow(2 * hourMs) }),
  otherCa: async (who) => issueLeaf({ ...who, authority: await rogueAuthority() }),
  serverAuthOnly: (who) => issueLeaf({ ...who, eku: ['serverAuth'] }),
  noEku: (who) => issueLeaf({ ...who, eku: [] }),
  selfSigned: (who) => issueSelfSigned(who.subject, who.sans),
  cnOnly: (who) => issueLeaf({ ...who, sans: [] }),
  leafSignedByLeaf,
  unknownCritical: (who) => issueLeaf({ ...who, extensions: [unknownExtension] }),
  weakKey: (who) => issueLeaf({ ...who, weakKey: true }),
}

/** The same without any spoiling: the positive control of each of them. */
export function unspoiled(who: Pretence): Promise<Identity> {
  return issueLeaf(who)
}

async function leafSignedByLeaf(who: LeafOptions): Promise<Identity> {
  return issueLeaf({ ...who, authority: await authorityOfLeaf(await issueLeaf(who)) })
}

function fromNow(ms: number): Date {
  return new Date(Date.now() + ms)
}
