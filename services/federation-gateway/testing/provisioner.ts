import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { type ProvisionerKey, readProvisionerKey } from '../enrolment/provisioner-key.ts'

// Not shipped: a new key of a provisioner.

/** As its file has it. */
export async function makeProvisionerJwk(): Promise<JWK & { kid: string }> {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) }
}

/** As the gateway reads it. */
export async function makeProvisionerKey(): Promise<ProvisionerKey> {
  return readProvisionerKey(JSON.stringify(await makeProvisionerJwk()))
}
