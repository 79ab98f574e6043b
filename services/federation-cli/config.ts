import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { secretText } from '../federation-gateway/start/secret-text.ts'
import type { Program } from '../shared/configuration.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { readAnchors } from '../shared/tls-material.ts'

const missing = (flag: string, variable: string) => ({ error: `is missing; give ${flag} or ${variable}` })

const schema = z.strictObject({
  url: z
    .string(missing('--url', 'FEDERATION_URL'))
    .refine(isHttpsOrigin, 'must be https://HOST or https://HOST:PORT, with nothing behind it')
    .describe('https URL of the public listener of your gateway'),
  adminTokenFile: z
    .string(missing('--admin-token-file', 'FEDERATION_ADMIN_TOKEN_FILE'))
    .min(1, 'must name a file')
    .describe('file (0600) with your admin token'),
  gatewayCa: z
    .string(missing('--gateway-ca', 'FEDERATION_CA'))
    .min(1, 'must name a file')
    .describe('PEM file with the root by which your gateway proves who it is'),
  tenant: z.string().min(1).optional().describe('tenant that is meant, by id or by name; for operators'),
})

export type Configuration = z.output<typeof schema>

export const program: Program<Configuration> = {
  name: 'federation',
  environmentPrefix: 'FEDERATION',
  schema,
  variables: { gatewayCa: 'FEDERATION_CA' },
  isBlankAbsent: true,
}

/** As whom a gateway is asked, and how it proves itself. */
export interface Access {
  readonly token: string
  /** PEM of the only anchors. */
  readonly ca: readonly string[]
}

/** Reads what the configuration names. @throws StartFailure, without a word of the token */
export function readAccess({ adminTokenFile, gatewayCa }: Configuration): Access {
  const token = secretText({ key: 'adminToken', value: undefined, file: adminTokenFile })!
  // RFC 6750 section 2.1: what can stand in a header. Anything else would be quoted by whoever refuses to send it.
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(token)) {
    throw new StartFailure(
      'config_invalid',
      `${adminTokenFile} holds no bearer token; put the token there, and nothing else`,
    )
  }
  return { token, ca: readRoots(gatewayCa) }
}

/** PEM of each root in a file. @throws StartFailure */
export function readRoots(file: string): string[] {
  return readAnchors(file).map(String)
}

/** @throws StartFailure */
export function readJsonFile(file: string, what: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartFailure('config_invalid', `the ${what} ${file} cannot be read (${code}); name a readable JSON file`)
  }
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the text.
    throw new StartFailure('config_invalid', `the ${what} ${file} is not JSON; correct it`)
  }
}

function isHttpsOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url?.protocol === 'https:' && url.username === '' && url.password === '' && text === url.origin
}
