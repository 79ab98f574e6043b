import { type IssuerClient, jsonObjectOf } from './issuer-client.ts'

/** Endpoints of an auth server that are called over mutual TLS (RFC 8414, RFC 8705 section 5). */
export interface IssuerEndpoints {
  readonly introspection: string | undefined
  readonly token: string | undefined
}

export interface IssuerMetadata {
  /** Asks once; a failure is not kept. Rejects when the auth server does not answer as it must. */
  endpoints(): Promise<IssuerEndpoints>
}

/** RFC 8414 section 3.3: metadata counts only when it names the very issuer that was asked. */
export function createIssuerMetadata(issuer: string, client: Pick<IssuerClient, 'get'>): IssuerMetadata {
  let known: Promise<IssuerEndpoints> | undefined
  const fetchEndpoints = async (): Promise<IssuerEndpoints> => {
    const { origin, pathname } = new URL(issuer)
    const path = pathname === '/' ? '' : pathname
    const metadata = jsonObjectOf(await client.get(`${origin}/.well-known/oauth-authorization-server${path}`))
    if (metadata.issuer !== issuer) throw new Error(`metadata of ${issuer} name another issuer`)
    const aliases = (metadata.mtls_endpoint_aliases ?? {}) as Record<string, unknown>
    // RFC 8705 section 5: a client that uses mutual TLS must prefer the alias.
    const endpoint = (name: string): string | undefined => {
      const url = aliases[name] ?? metadata[name]
      return typeof url === 'string' && url.startsWith('https://') ? url : undefined
    }
    return { introspection: endpoint('introspection_endpoint'), token: endpoint('token_endpoint') }
  }
  return {
    endpoints() {
      known ??= fetchEndpoints().catch((failure: unknown) => {
        known = undefined
        throw failure
      })
      return known
    },
  }
}
