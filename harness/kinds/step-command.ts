import type { Command, Step } from '../topology/plan.ts'

/** Keys lie unencrypted in a folder (0700) that ends with the run; without STEPPATH the user's own would be used. */
export function stepCommand(args: string[]): Command {
  return { program: { tool: 'step' }, args, env: { STEPPATH: '@{unit}/step' } }
}

const keyTypes = {
  ES256: ['--kty', 'EC', '--crv', 'P-256'],
  ES384: ['--kty', 'EC', '--crv', 'P-384'],
  EdDSA: ['--kty', 'OKP', '--crv', 'Ed25519'],
  PS256: ['--kty', 'RSA', '--size', '2048'],
  RS256: ['--kty', 'RSA', '--size', '2048'],
}

export const signingAlgs = Object.keys(keyTypes) as (keyof typeof keyTypes)[]

/** Makes a JWK that signs tokens, `<path>.json`, and its public half, `<path>.pub.json`. */
export function signingKeyStep(path: string, alg: keyof typeof keyTypes): Step {
  const args = ['crypto', 'jwk', 'create', `${path}.pub.json`, `${path}.json`, ...keyTypes[alg]]
  return { run: stepCommand([...args, '--alg', alg, '--use', 'sig', '--no-password', '--insecure', '--force']) }
}
