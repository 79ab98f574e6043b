import { createIssuerClient, type IssuerClient, jsonObjectOf } from '../shared/issuer-client.ts'
import { createIssuerMetadata, type IssuerMetadata } from '../shared/issuer-metadata.ts'
import type { TlsMaterial } from '../shared/tls-material.ts'

/** Fetches peer tokens where the peer's own auth server gives them out (RFC 6749 section 4.4 over RFC 8705). */
export interface TokenSource {
  /**
   * Rejects when there is none to be had.
   * @param trustDomain whose anchor the auth server must prove; undefined: our own auth server, with the anchor that is
   * configured for it, which may be another one than that of our trust domain.
   */
  fetch(from: { issuer: string; resource: string }, trustDomain: string | undefined): Promise<string>
  close(): void
}

export function createTokenSource(options: {
  clientId: string
  material: () => TlsMaterial
  /** PEM roots of our own auth server. */
  ownAnchors: () => readonly string[]
  localAddress?: string
}): TokenSource {
  const known = new Map<string, { client: IssuerClient; metadata: IssuerMetadata }>()
  const serverOf = (issuer: string, trustDomain: string | undefined) => {
    const place = `${trustDomain ?? ''} ${issuer}`
    const held = known.get(place)
    if (held !== undefined) return held
    const client = createIssuerClient(() => {
      const { anchors, certificate, key } = options.material()
      // The anchor of that trust domain alone: another organisation must not speak for it.
      const ca = trustDomain === undefined ? options.ownAnchors() : (anchors.get(trustDomain) ?? []).map(String)
      return { ca, cert: certificate, key }
    }, options.localAddress)
    const server = { client, metadata: createIssuerMetadata(issuer, client) }
    known.set(place, server)
    return server
  }
  return {
    async fetch({ issuer, resource }, trustDomain) {
      const { client, metadata } = serverOf(issuer, trustDomain)
      client.renew()
      const { token: endpoint } = await metadata.endpoints()
      if (endpoint === undefined) throw new Error(`${issuer} names no token endpoint`)
      const form = { grant_type: 'client_credentials', client_id: options.clientId, resource }
      const { access_token: token } = jsonObjectOf(await client.postForm(endpoint, form))
      if (typeof token !== 'string') throw new Error(`${issuer} gave no access token`)
      return token
    },
    close() {
      for (const { client } of known.values()) client.close()
    },
  }
}
