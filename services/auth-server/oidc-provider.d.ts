/** The part of oidc-provider that this service uses; the package brings no types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Context {
    readonly req: IncomingMessage
    readonly res: ServerResponse
    status: number
    body: unknown
    /** Takes a header of the answer away. */
    remove(name: string): void
  }

  export interface ProviderClient {
    readonly clientId: string
  }

  export interface Token {
    readonly jti: string
    readonly clientId: string
    readonly resourceServer?: { identifier(): string }
    'x5t#S256'?: string
    scope?: string
    expiresIn?: number
    save(): Promise<string>
  }

  export interface StructuredToken {
    header: Record<string, unknown> | undefined
    payload: Record<string, unknown>
  }

  export class Provider {
    constructor(issuer: string, setup: Record<string, unknown>)
    readonly Client: { find(id: string): Promise<ProviderClient | undefined> }
    readonly ClientCredentials: new (
      properties: Record<string, unknown>,
    ) => Token
    readonly ResourceServer: new (
      identifier: string,
      data: Record<string, unknown>,
    ) => object
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): this
    on(event: 'server_error', listener: (context: Context, failure: unknown) => void): this
    callback(): (request: IncomingMessage, response: ServerResponse) => void
  }
}
