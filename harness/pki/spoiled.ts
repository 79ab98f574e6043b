// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import {
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_nameConstraints,
  NameConstraints,
} from '@peculiar/asn1-x509'
import { Extension } from '@peculiar/x509'
import {
  authorityOfLeaf,
  issueLeaf,
  issueSelfSigned,
  type LeafOptions,
  rogueAuthority,
  type SigningAuthority,
  subordinate,
} from './authority.ts'
import type { Identity } from './certificate.ts'
import { resigned } from './resigned.ts'

/**
 * Who the spoiled certificate pretends to be, and who signs it where the spoiling leaves that open. Spoilings that put authorities in
 * between (`belowPathLength`, `outsidePermittedNames`, `md5Signed`) are right but for themselves only below a root.
 */
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
  | 'ownOidCritical'
  | 'weakKey'
  | 'weakCurve'
  | 'unusualCurve'
  | 'sha1Signed'
  | 'md5Signed'
  | 'codeSigningOnly'
  | 'clientAuthOnly'
  | 'belowPathLength'
  | 'outsidePermittedNames'

const hourMs = 3_600_000
// An OID of a private arc (2.25, a UUID) that no verifier knows, holding an ASN.1 NULL.
const unknownExtension = { oid: '2.25.4096', critical: true, der: new Uint8Array([5, 0]) }
/** An identifier of a grant, as a template of a CA would add it: UTF8String "1". */
export const grantExtension = { oid: '1.3.6.1.4.1.99999.1', critical: false, der: new Uint8Array([0x0c, 1, 0x31]) }

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
  ownOidCritical: (who) => issueLeaf({ ...who, extensions: [{ ...grantExtension, critical: true }] }),
  weakKey: (who) => issueLeaf({ ...who, key: 'RSA-1024' }),
  weakCurve: (who) => issueLeaf({ ...who, key: 'P-192' }),
  unusualCurve: (who) => issueLeaf({ ...who, key: 'secp256k1' }),
  sha1Signed: async (who) => {
    const { certPem, keyPem } = await issueLeaf(who)
    return { certPem: resigned(certPem, who.authority.key, 'ECDSA-SHA1'), keyPem }
  },
  md5Signed: async (who) => {
    const authority = await subordinate({ authority: who.authority, name: 'RSA issuing CA', isRsa: true })
    const { certPem, keyPem } = await issueLeaf({ ...who, authority })
    return { certPem: resigned(certPem, authority.key, 'RSA-MD5'), keyPem }
  },
  codeSigningOnly: (who) => issueLeaf({ ...who, eku: ['codeSigning'] }),
  clientAuthOnly: (who) => issueLeaf({ ...who, eku: ['clientAuth'] }),
  belowPathLength: async (who) => {
    const last = await subordinate({ authority: who.authority, name: 'last issuing CA', pathLength: 0 })
    return issueLeaf({ ...who, authority: await subordinate({ authority: last, name: 'one CA too many' }) })
  },
  outsidePermittedNames: (who) => issueBelowConstraint(who, 'elsewhere.test'),
}

/** A leaf of an authority that may sign for one DNS suffix only. */
export async function issueBelowConstraint(who: Pretence, permitted: string): Promise<Identity> {
  const subtrees = new GeneralSubtrees([new GeneralSubtree({ base: new GeneralName({ dNSName: permitted }) })])
  const der = AsnConvert.serialize(new NameConstraints({ permittedSubtrees: subtrees }))
  const extensions = [new Extension(id_ce_nameConstraints, true, der)]
  const authority = await subordinate({ authority: who.authority, name: 'constrained issuing CA', extensions })
  return issueLeaf({ ...who, authority })
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
