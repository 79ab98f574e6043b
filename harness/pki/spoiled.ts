// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { Extension } from '@peculiar/x509'
import {
  authorityOfLeaf,
  issueLeaf,
  issueSelfSigned,
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

// An OID of a private arc (2.25, a UUID) that no verifier knows, holding an ASN.1 NULL.
const unknownExtension = { oid: '2.25.4096', critical: true, der: new Uint8Array([5, 0]) }
/** An identifier of a grant, as a template of a CA would add it: UTF8String "1". */
export const grantExtension = { oid: '1.3.6.1.4.1.99999.1', critical: false, der: new Uint8Array([0x0c, 1, 0x31]) }

/** Each makes a certificate that is right but for the one thing that its name says. */
export const spoiled = {
  expired: (who) => issueLeaf({ ...who, notBefore: hoursFromNow(-2), notAfter: hoursFromNow(-1) }),
  notYetValid: (who) => issueLeaf({ ...who, notBefore: hoursFromNow(1), notAfter: hoursFromNow(2) }),
  otherCa: async (who) => issueLeaf({ ...who, authority: await rogueAuthority() }),
  serverAuthOnly: (who) => issueLeaf({ ...who, eku: ['serverAuth'] }),
  noEku: (who) => issueLeaf({ ...who, eku: [] }),
  selfSigned: (who) => issueSelfSigned(who.subject, who.sans),
  cnOnly: (who) => issueLeaf({ ...who, sans: [] }),
  leafSignedByLeaf: async (who) => issueLeaf({ ...who, authority: await authorityOfLeaf(await issueLeaf(who)) }),
  unknownCritical: (who) => issueLeaf({ ...who, extensions: [unknownExtension] }),
  ownOidCritical: (who) => issueLeaf({ ...who, extensions: [{ ...grantExtension, critical: true }] }),
  weakKey: (who) => issueLeaf({ ...who, key: 'RSA-1024' }),
  weakCurve: (who) => issueLeaf({ ...who, key: 'P-192' }),
  unusualCurve: (who) => issueLeaf({ ...who, key: 'secp256k1' }),
  sha1Signed: async (who) => {
    const { certPem, keyPem } = await issueLeaf(who)
    const { key } = who.authority
    return { certPem: resigned(certPem, key, key.algorithm.name === 'ECDSA' ? 'ECDSA-SHA1' : 'RSA-SHA1'), keyPem }
  },
  md5Signed: async (who) => {
    const authority = await subordinate(who.authority, 'RSA issuing CA', { isRsa: true })
    const { certPem, keyPem } = await issueLeaf({ ...who, authority })
    return { certPem: resigned(certPem, authority.key, 'RSA-MD5'), keyPem }
  },
  codeSigningOnly: (who) => issueLeaf({ ...who, eku: ['codeSigning'] }),
  clientAuthOnly: (who) => issueLeaf({ ...who, eku: ['clientAuth'] }),
  belowPathLength: async (who) => {
    const last = await subordinate(who.authority, 'last issuing CA', { pathLength: 0 })
    return issueLeaf({ ...who, authority: await subordinate(last, 'one CA too many') })
  },
  outsidePermittedNames: (who) => issueBelowConstraint(who, 'elsewhere.test'),
} satisfies Record<string, (pretence: Pretence) => Promise<Identity>>

export type Spoiling = keyof typeof spoiled

/** A leaf of an authority that may sign for one DNS suffix only. */
export async function issueBelowConstraint(who: Pretence, permitted: string): Promise<Identity> {
  const subtree = new asn1.GeneralSubtree({ base: new asn1.GeneralName({ dNSName: permitted }) })
  const permittedSubtrees = new asn1.GeneralSubtrees([subtree])
  const der = AsnConvert.serialize(new asn1.NameConstraints({ permittedSubtrees }))
  const extensions = [new Extension(asn1.id_ce_nameConstraints, true, der)]
  return issueLeaf({ ...who, authority: await subordinate(who.authority, 'constrained issuing CA', { extensions }) })
}

/** The same without any spoiling: the positive control of each of them. */
export function unspoiled(who: Pretence): Promise<Identity> {
  return issueLeaf(who)
}

export function hoursFromNow(hours: number): Date {
  return new Date(Date.now() + hours * 3_600_000)
}
