import { X509Certificate } from 'node:crypto'
import { defaultOids } from '../../credentials/federation-grant/planned.ts'
import { certify, type LeafOptions, rogueAuthority, type SigningAuthority } from '../../pki/authority.ts'
import { chainOf } from '../../pki/certificate.ts'
import { hoursFromNow } from '../../pki/spoiled.ts'
import {
  crlPoint,
  provisionerExtension,
  provisionerOid,
  type RawExtension,
  textExtension,
} from '../../pki/step-extensions.ts'
import { inspectToken } from '../../tokens/inspect.ts'

/** What a CA is asked to sign, as far as it believes the token without any look at its signature. */
export interface SignRequest {
  readonly csr: string
  readonly ott: string
  readonly notAfter?: string
}

/** A certificate before it is signed. */
export interface Draft extends Omit<LeafOptions, 'key'> {
  /** The key that it is for. */
  readonly spki: Uint8Array
  readonly extensions: readonly RawExtension[]
  readonly notBefore: Date
  readonly notAfter: Date
}

/** Which claims of a one-time token become which extension, by OID. */
export type ExtensionClaims = Readonly<Record<string, string>>

export const { grant: grantOid, subject: subjectOid } = defaultOids

/** As templates of federation do it. */
export const federationClaims: ExtensionClaims = {
  [grantOid]: 'mosaic_grant_id',
  [subjectOid]: 'mosaic_subject_user_id',
}

const backdateMs = 60_000
const defaultSeconds = 300
const other = '99999999-9999-4999-8999-999999999999'

/** What an honest step-ca would sign: names and extensions of the token, the key of the CSR. Undefined for what is no request. */
export async function draftOf(
  { csr, ott, notAfter }: Partial<SignRequest>,
  { authority, claims, crlUrl }: { authority: SigningAuthority; claims: ExtensionClaims; crlUrl: string },
): Promise<Draft | undefined> {
  const token = inspectToken(ott ?? '')
  const spki = await keyIn(csr ?? '')
  if (token === undefined || spki === undefined) return undefined
  const { sub = '', sans, iss = '', ...said } = token.claims as Record<string, unknown> & { sub?: string; iss?: string }
  const names = Object.entries(claims).flatMap(([oid, claim]) => {
    const value = said[claim]
    return typeof value === 'string' ? [textExtension(oid, value)] : []
  })
  const kid = String((token.header as { kid?: unknown }).kid ?? '')
  const now = Date.now()
  return {
    ...{ authority, spki, subject: sub, sans: Array.isArray(sans) ? (sans as string[]) : [sub] },
    eku: names.length > 0 ? ['clientAuth'] : ['serverAuth'],
    extensions: [...names, provisionerExtension({ name: iss, kid }), crlPoint(crlUrl)],
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + secondsIn(notAfter) * 1000),
  }
}

async function keyIn(csr: string): Promise<Uint8Array | undefined> {
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509')
  try {
    return new Uint8Array(new Pkcs10CertificateRequest(csr).publicKey.rawData)
  } catch {
    return undefined
  }
}

/** Of a duration of Go, which gateways write in one unit. */
function secondsIn(duration = ''): number {
  const [, amount, unit = 's'] = /^(\d+)([smh])$/.exec(duration) ?? []
  const factor = { s: 1, m: 60, h: 3600 }[unit] ?? 1
  return amount === undefined ? defaultSeconds : Number(amount) * factor
}

/** What a hostile CA signs in place of that, by what is wrong with it and with nothing else. */
export const defects = {
  'no extension of the token': (draft) => without(draft, grantOid, subjectOid),
  'no grant': (draft) => without(draft, grantOid),
  'no subject': (draft) => without(draft, subjectOid),
  'another grant': (draft) => replaced(draft, textExtension(grantOid, other)),
  'another subject': (draft) => replaced(draft, textExtension(subjectOid, other)),
  'grant and subject swapped': (draft) => {
    const [grant, subject] = [grantOid, subjectOid].map((oid) => draft.extensions.find((one) => one.oid === oid)!)
    const swapped = replaced(draft, { ...grant!, der: subject!.der })
    return replaced(swapped, { ...subject!, der: grant!.der })
  },
  'a grant that is a PrintableString': (draft) =>
    replaced(draft, textExtension(grantOid, textOf(draft, grantOid), 0x13)),
  'a grant in capitals': (draft) => replaced(draft, textExtension(grantOid, textOf(draft, grantOid).toUpperCase())),
  'bytes behind the grant': (draft) => {
    const der = new Uint8Array([...draft.extensions.find(({ oid }) => oid === grantOid)!.der, 0])
    return replaced(draft, { oid: grantOid, critical: false, der })
  },
  'another key': async (draft) => ({ ...draft, spki: await keyOfAnother() }),
  'another name': (draft) => ({ ...draft, subject: 'other.test', sans: ['other.test'] }),
  'one more name': (draft) => ({ ...draft, sans: [...draft.sans, 'other.test'] }),
  'no provisioner': (draft) => without(draft, provisionerOid),
  'another provisioner': (draft) => replaced(draft, provisionerExtension({ name: 'other', kid: 'other' })),
  expired: (draft) => ({ ...draft, notBefore: hoursFromNow(-2), notAfter: hoursFromNow(-1) }),
  'not yet valid': (draft) => ({ ...draft, notBefore: hoursFromNow(1), notAfter: hoursFromNow(2) }),
  'a day of life': (draft) => ({ ...draft, notAfter: hoursFromNow(24) }),
  'for servers, too': (draft) => ({ ...draft, eku: ['clientAuth', 'serverAuth'] }),
  'for nothing in particular': (draft) => ({ ...draft, eku: [] }),
  'an authority': (draft) => ({ ...draft, isAuthority: true }),
  'of another root': async (draft) => ({ ...draft, authority: await rogueAuthority() }),
} as const satisfies Readonly<Record<string, (draft: Draft) => Draft | Promise<Draft>>>

export type Defect = keyof typeof defects

function without(draft: Draft, ...oids: readonly string[]): Draft {
  return { ...draft, extensions: draft.extensions.filter(({ oid }) => !oids.includes(oid)) }
}

function replaced(draft: Draft, by: RawExtension): Draft {
  return { ...draft, extensions: draft.extensions.map((one) => (one.oid === by.oid ? by : one)) }
}

function textOf({ extensions }: Draft, oid: string): string {
  return Buffer.from(extensions.find((one) => one.oid === oid)!.der.slice(2)).toString()
}

async function keyOfAnother(): Promise<Uint8Array> {
  const { certificate } = await rogueAuthority()
  return new Uint8Array(certificate.publicKey.rawData)
}

/** In the form in which step-ca answers; `serial` as certificates have it, in hexadecimal. */
export async function signed(draft: Draft): Promise<{ serial: string; json: Record<string, unknown> }> {
  const { spki, ...options } = draft
  const certPem = await certify(options, spki)
  const chain = chainOf(certPem).map((one) => one.toString())
  // Of a root that signs itself there is no other one to send.
  const [crt = '', ca = draft.authority.anchorPem] = chain
  const tlsOptions = { cipherSuites: [], minVersion: 1.2, maxVersion: 1.3, renegotiation: false }
  return { serial: new X509Certificate(crt).serialNumber, json: { crt, ca, certChain: chain, tlsOptions } }
}
