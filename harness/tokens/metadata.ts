import { HoldfastError } from '../errors.ts'

/** An issuer does not tell by its metadata what is asked of it. Code `HOLDFAST_METADATA`. */
export class NotInMetadata extends HoldfastError {
  constructor(issuer: string, what: string, options?: ErrorOptions) {
    super('HOLDFAST_METADATA', `issuer ${issuer}: ${what}`, options)
  }
}

/** The metadata of an issuer are good, and do not name what is asked of it: it has no such thing. Code `HOLDFAST_NOT_OFFERED`. */
export class NotOffered extends HoldfastError {
  constructor(issuer: string, member: string) {
    super('HOLDFAST_NOT_OFFERED', `the metadata of ${issuer} name no ${member}`)
  }
}

/**
 * Where an issuer says that something of it is, `jwks_uri` or `token_endpoint`: in its metadata by RFC 8414 section 3 (its path comes
 * after the well-known one), or else by OpenID Connect Discovery 1.0 section 4. Who presents a certificate goes to its alias for that, where
 * it has one (RFC 8705 section 5). `get` answers the JSON of a URL, and rejects where there is none. @throws NotInMetadata, or NotOffered
 */
export async function discovered(
  issuer: string,
  member: string,
  get: (url: string) => Promise<unknown>,
): Promise<string> {
  const found = (await metadataOf(issuer, get)) as Record<string, unknown>
  // Compared as it stands (RFC 8414 section 3.3): a token of the one would be believed to be of the other.
  if (found.issuer !== issuer) {
    throw new NotInMetadata(issuer, `its metadata says that it is ${text(found.issuer)}; write it in the very same way`)
  }
  const { mtls_endpoint_aliases: aliases } = found as { mtls_endpoint_aliases?: Record<string, unknown> }
  const value = aliases?.[member] ?? found[member]
  if (value === undefined) throw new NotOffered(issuer, member)
  // What is fetched there is trusted: in plaintext anybody on the way could have written it (RFC 8414 section 2).
  if (typeof value === 'string' && value.startsWith('https://')) return value
  throw new NotInMetadata(issuer, `its metadata names no https URL as ${member}, but ${text(value)}`)
}

async function metadataOf(issuer: string, get: (url: string) => Promise<unknown>): Promise<object> {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const urls = [`${origin}/.well-known/oauth-authorization-server${path}`]
  urls.push(`${origin}${path}/.well-known/openid-configuration`)
  const failures: unknown[] = []
  for (const url of urls) {
    try {
      const found = await get(url)
      if (typeof found === 'object' && found !== null) return found
      failures.push(new Error(`${url} answered no JSON object`))
    } catch (failure) {
      failures.push(failure)
    }
  }
  throw new NotInMetadata(issuer, `no metadata at ${urls.join(' or ')}`, { cause: new AggregateError(failures) })
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing'
}
