import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint'

/** The key with which a provisioner of step-ca signs one-time tokens. */
export interface ProvisionerKey {
  readonly alg: 'ES256' | 'ES384' | 'RS256'
  /** RFC 7638 thumbprint: step-ca looks a provisioner up by name and kid. */
  readonly kid: string
  readonly key: KeyObject
}

/** Text that is no key of a provisioner. Never says what is in it. */
export class ProvisionerKeyRefused extends Error {
  constructor(why: string) {
    super(`${why}; give the private JWK of the provisioner, as step-ca's kind hands it over`)
    this.name = 'ProvisionerKeyRefused'
  }
}

const CURVE_OF: Readonly<Record<string, ProvisionerKey['alg']>> = { 'P-256': 'ES256', 'P-384': 'ES384' }
const LEAST_RSA_BITS = 2048

/** Reads a private JWK (RFC 7517): EC P-256 or P-384 or RSA, never a symmetric key, whose `kid` is its thumbprint. @throws ProvisionerKeyRefused */
export async function readProvisionerKey(text: string): Promise<ProvisionerKey> {
  const jwk = attempt(() => JSON.parse(text) as JWK)
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
    throw new ProvisionerKeyRefused('it is no JSON object')
  const alg = algorithmOf(jwk)
  if (alg === undefined) throw new ProvisionerKeyRefused('its kty and crv are none of EC P-256, EC P-384 and RSA')
  if (jwk.alg !== undefined && jwk.alg !== alg)
    throw new ProvisionerKeyRefused(`its alg is not ${alg}, which is that of its key`)
  if (typeof jwk.d !== 'string') throw new ProvisionerKeyRefused('it is a public key')
  const key = attempt(() => createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' }))
  if (key === undefined) throw new ProvisionerKeyRefused('it is no key')
  if (alg === 'RS256' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < LEAST_RSA_BITS) {
    throw new ProvisionerKeyRefused(`it has less than ${LEAST_RSA_BITS} bits`)
  }
  const kid = await calculateJwkThumbprint(jwk)
  if (jwk.kid !== kid) throw new ProvisionerKeyRefused('its kid is not its RFC 7638 thumbprint')
  return { alg, kid, key }
}

function algorithmOf({ kty, crv }: JWK): ProvisionerKey['alg'] | undefined {
  if (kty === 'RSA') return 'RS256'
  return kty === 'EC' && Object.hasOwn(CURVE_OF, crv ?? '') ? CURVE_OF[crv!] : undefined
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
