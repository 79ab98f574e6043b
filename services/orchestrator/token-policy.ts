import type { TokenPolicy } from '../shared/bound-token.ts'
import { createIntrospection } from '../shared/introspection.ts'
import type { IssuerClient } from '../shared/issuer-client.ts'
import { createIssuerKeys } from '../shared/issuer-keys.ts'
import { createIssuerMetadata } from '../shared/issuer-metadata.ts'
import { failureFields, type Log } from '../shared/log.ts'
import type { Configuration } from './config.ts'

/** How the tokens of callers are judged. */
export function createTokenPolicy({ node, peering }: Configuration, client: IssuerClient, log: Log): TokenPolicy {
  const { auth, validation, clockSkewSeconds } = peering
  const metadata = createIssuerMetadata(auth.issuer, client)
  const endpoint = async (): Promise<string> => {
    const url = auth.introspectionEndpoint ?? (await metadata.endpoints()).introspection
    if (url === undefined) throw new Error(`${auth.issuer} names no introspection endpoint`)
    return url
  }
  const warn = (event: string) => (failure: unknown) => log.warn(event, failureFields(failure))
  return {
    node,
    issuer: auth.issuer,
    mode: validation.mode,
    clockSkewSeconds,
    now: Date.now,
    keys: createIssuerKeys({
      url: auth.jwksUri ?? `${auth.issuer.replace(/\/$/, '')}/jwks`,
      client,
      onFailure: warn('jwks-unavailable'),
    }),
    introspection: createIntrospection({
      client,
      endpoint,
      clientId: node,
      cacheMs: validation.introspectionCacheMs,
      onFailure: warn('introspection-unavailable'),
    }),
  }
}
