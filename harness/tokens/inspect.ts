import { decodeJwt, decodeProtectedHeader } from 'jose'

export type Claims = Readonly<Record<string, unknown>>

/** What a token says, unverified: for spoiling, for evidence, never for a decision. */
export interface InspectedToken {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Claims
  /** `cnf["x5t#S256"]` where it stands as RFC 8705 section 3.1 wants it. */
  readonly thumbprint: string | undefined
  readonly jti: string | undefined
}

/** Reads a compact JWT without verifying it; `undefined` for any other text. */
export function inspectToken(token: string): InspectedToken | undefined {
  try {
    const claims = decodeJwt(token) as Claims
    const header = decodeProtectedHeader(token) as Record<string, unknown>
    const cnf = claims.cnf
    const bound = typeof cnf === 'object' && cnf !== null ? (cnf as Record<string, unknown>)['x5t#S256'] : undefined
    return {
      header,
      claims,
      thumbprint: typeof bound === 'string' ? bound : undefined,
      jti: typeof claims.jti === 'string' ? claims.jti : undefined,
    }
  } catch {
    return undefined
  }
}
