import { createIntrospection } from './introspection.ts'
import type { IssuerClient } from './issuer-client.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { createIssuerMetadata } from './issuer-metadata.ts'
import { failureFields, type Log } from './log.ts'
import type { TokenPolicy, ValidationMode } from './token-context.ts'

/** What a configuration says of the auth server whose tokens are accepted. */
export interface TokenSettings {
  readonly auth: {
    readonly issuer: string
    readonly jwksUri?: string | undefined
    readonly introspectionEndpoint?: string | undefined
  }
  readonly validation: { readonly mode: ValidationMode; readonly introspectionCacheMs: number }
  readonly clockSkewSeconds: number
}

/** How the tokens of callers are judged. `node`: our own name, as whom we ask about them. */
export function createTokenPolicy(
  node: string,
  { auth, validation, clockSkewSeconds }: TokenSettings,
  client: IssuerClient,
  log: Log,
): TokenPolicy {
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

/** Of a node without an auth server: no issuer is configured, so that nobody's token is good for anything. */
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

/** Whether the auth server can be asked, as far as this mode needs it. */
export function isAuthReady({ mode, introspection, keys }: TokenPolicy): Promise<boolean> {
  return mode === 'introspection' ? introspection.ready() : keys.ready()
}
