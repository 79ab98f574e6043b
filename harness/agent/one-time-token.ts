import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { JWK } from 'jose'
import { passwordIn } from '../pki/given.ts'
import { provisionerKey } from '../tokens/provisioner-key.ts'
import type { Enrol } from '../topology/plan.ts'

/** What a one-time token of a CA says. `x5rt`: base64url SHA-256 of the DER of the CSR that it is good for. */
export type OneTimeTokenClaims = Pick<Enrol, 'url' | 'provisioner' | 'subject' | 'sans'> & { x5rt: string }

/**
 * Signs a one-time token of step-ca's JWK provisioner. It is good for one signature on exactly this CSR within five minutes:
 * `jti` is what the CA burns, and `cnf["x5rt#S256"]` is what it compares the CSR with.
 */
export async function signOneTimeToken(claims: OneTimeTokenClaims): Promise<string> {
  const { importJWK, SignJWT } = await import('jose')
  const { name } = claims.provisioner
  const jwk = await keyOf(claims.provisioner)
  const key = await importJWK(jwk)
  return new SignJWT({ sans: claims.sans, cnf: { 'x5rt#S256': claims.x5rt } })
    .setProtectedHeader({ alg: jwk.alg ?? 'ES256', kid: jwk.kid, typ: 'JWT' })
    .setIssuer(name)
    .setAudience(`${claims.url}/1.0/sign`)
    .setSubject(claims.subject)
    .setJti(randomBytes(16).toString('hex'))
    .setIssuedAt()
    .setNotBefore('0s')
    .setExpirationTime('5m')
    .sign(key)
}

/** The private JWK of a provisioner, as it lies on this node. @throws ProvisionerRefused */
export async function keyOf({ name, keyFile: place, passwordFile }: Enrol['provisioner']): Promise<JWK> {
  const read = (file: string) => readFile(file, 'utf8')
  const password = passwordFile && passwordIn(await read(passwordFile))
  return provisionerKey({ name, place, password, text: await read(place) })
}
