import { X509Certificate } from 'node:crypto'
import type { AuthorizationRequest } from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import { decodeSigned } from '../shared/nats/signed-jwt.ts'
import { dnsNames, thumbprint } from '../shared/peer-certificate.ts'

/** What the broker asks about one login. Nobody has judged it yet. */
export interface LoginRequest {
  /** Key that signed it: that of the broker, if it is right. */
  readonly issuer: string
  readonly expiresAt: number | undefined
  /** Key that the answer must be for. */
  readonly userKey: string
  readonly server: { readonly id: string }
  readonly client: { readonly cid: number; readonly address: string }
  readonly login: {
    readonly jwt?: string
    readonly token?: string
    readonly user?: string
    readonly password?: string
  }
  /** First of the chain that the broker verified. */
  readonly certificate: LoginCertificate | undefined
}

export interface LoginCertificate {
  readonly x5t: string
  readonly sans: readonly string[]
  /** Milliseconds since 1970. */
  readonly notAfter: number
}

/** Opens and reads a request; undefined for what is none. Its signature is verified by the key that it names. */
export function readRequest(
  sealed: Uint8Array,
  serverCurve: string | undefined,
  curve: KeyPair,
): LoginRequest | undefined {
  try {
    const opened = serverCurve === undefined ? null : curve.open(sealed, serverCurve)
    if (opened === null) return undefined
    const { iss, exp, nats } = decodeSigned<AuthorizationRequest>(new TextDecoder().decode(opened))
    const { user_nkey, server_id, client_info, connect_opts, client_tls, type } = nats
    const isWhole = user_nkey && server_id?.id && client_info?.id && connect_opts && type === 'authorization_request'
    if (!isWhole) return undefined
    const { jwt, auth_token: token, user, pass: password } = connect_opts
    return {
      ...{ issuer: iss, expiresAt: exp, userKey: user_nkey, server: { id: server_id.id } },
      client: { cid: client_info.id as number, address: client_info.host ?? '' },
      login: { jwt, token, user, password },
      certificate: certificateOf(client_tls?.verified_chains?.[0]?.[0]),
    }
  } catch {
    return undefined
  }
}

function certificateOf(pem: string | undefined): LoginCertificate | undefined {
  if (pem === undefined) return undefined
  const leaf = new X509Certificate(pem)
  return { x5t: thumbprint(leaf), sans: dnsNames(leaf), notAfter: leaf.validToDate.getTime() }
}
