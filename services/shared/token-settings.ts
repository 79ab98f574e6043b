import { z } from 'zod'

export const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' })

/** Whose tokens a program accepts. `file`: how it names files; `anchor`: the key whose anchors count where none is given. */
export const authSettings = (file: z.ZodString, anchor: string) =>
  z.strictObject({
    issuer: httpsUrl.describe('Issuer of the tokens that are accepted here, compared as a whole text.'),
    jwksUri: httpsUrl.optional().describe('Default: ISSUER/jwks.'),
    introspectionEndpoint: httpsUrl.optional().describe("Default: what the issuer's metadata say."),
    ca: file.optional().describe(`Anchor of the auth server. Default: ${anchor}.`),
  })

/** How it judges them. */
export const validationSettings = z
  .strictObject({
    mode: z.enum(['jwks', 'introspection', 'both']).default('both').describe('How tokens are verified.'),
    introspectionCacheMs: z.int().min(0).max(5000).default(1000).describe('How long an answer is kept, in ms.'),
  })
  .prefault({})

export const clockSkewSeconds = z.int().min(0).max(60).default(30).describe('Tolerance for exp, nbf and iat.')
