import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose/jwt/sign'
import { type Serial, serialToDecimal } from '../serial.ts'
import type { ProvisionerKey } from './provisioner-key.ts'

/** The CA, and who we are there. */
export interface Signer {
  /** Without a slash at its end. */
  readonly caUrl: string
  readonly provisioner: string
  readonly key: ProvisionerKey
  /** SHA-256 of the DER of the root, in lower-case hex. */
  readonly rootFingerprint: string
}

/** For which certificate a token is. */
export interface ToSign {
  readonly commonName: string
  readonly grantId: string
  readonly subjectUserId: string
  /** Base64url SHA-256 of the DER of the CSR: no other one can use the token. */
  readonly x5rt: string
}

const LIFE_SECONDS = 60

/** One-time token for `POST /1.0/sign`. Names come from here and never from the CSR. `now`: milliseconds since 1970. */
export function signingToken(signer: Signer, to: ToSign, now: number): Promise<string> {
  const claims = {
    sans: [to.commonName],
    cnf: { 'x5rt#S256': to.x5rt },
    mosaic_grant_id: to.grantId,
    mosaic_subject_user_id: to.subjectUserId,
  }
  return token(signer, 'sign', to.commonName, claims, now)
}

/** One-time token for `POST /1.0/revoke`. */
export function revokingToken(signer: Signer, serial: Serial, now: number): Promise<string> {
  return token(signer, 'revoke', serialToDecimal(serial), {}, now)
}

function token(
  { caUrl, provisioner, key, rootFingerprint }: Signer,
  verb: 'sign' | 'revoke',
  subject: string,
  claims: Readonly<Record<string, unknown>>,
  now: number,
): Promise<string> {
  const issuedAt = Math.floor(now / 1000)
  return new SignJWT({ ...claims, sha: rootFingerprint })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT' })
    .setIssuer(provisioner)
    .setAudience(`${caUrl}/1.0/${verb}`)
    .setSubject(subject)
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + LIFE_SECONDS)
    .setJti(randomBytes(16).toString('hex'))
    .sign(key.key)
}
