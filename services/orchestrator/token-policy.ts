import type { TokenPolicy } from '../shared/bound-token.ts'
import { createIntrospection } from '../shared/introspection.ts'
import type { IssuerClient } from '../shared/issuer-client.ts'
import { createIssuerKeys } from '../shared/issuer-keys.ts'
import { createIssuerMetadata } from '../shared/issuer-metadata.ts'
import { failureFields, type Log } from '../shared/log.ts'
import type { PeeringConfiguration } from './config.ts'

/** How the tokens of callers are judged. */
export function createTokenPolicy(
  { node, peering }: PeeringConfiguration,
  client: IssuerClient,
  log: Log,
): TokenPolicy {
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

/** Of a node without peering: no issuer is configured, so that nobody's token is good for anything. */
export function noTokens(node: string): TokenPolicy {
  return {
    ...{ node, issuer: '', mode: 'jwks', clockSkewSeconds: 0, now: Date.now },
    keys: {
      verify: async () => 'jwks_unavailable',
      publishes: async () => undefined,
      ready: async () => false,
      age: () => undefined,
    },
    introspection: { ask: async () => 'unavailable', ready: async () => false },
  }
}
