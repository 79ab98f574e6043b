import { isIP } from 'node:net'
import type { PeerCertificate } from '../../shared/peer-certificate.ts'
import type { Config } from '../config.ts'
import { PROXIES } from './materials.ts'

/** A connection, as the listener met it. */
export interface Connection {
  /** `<remote address>:<remote port>`. */
  readonly conn: string
  readonly listener: string
  readonly address: string
  readonly certificate: PeerCertificate | undefined
  /** Whether proxies have roots of their own here: then no other certificate is one of a proxy. */
  readonly hasOwnRoots: boolean
}

/** The configured proxy whose certificate the connection proved. */
export function proxyOf({ certificate, hasOwnRoots }: Connection, proxies: Config['proxies']): string | undefined {
  const domain = certificate?.domain
  if (domain === undefined || (hasOwnRoots && domain !== PROXIES)) return undefined
  return proxies.find(({ san }) => certificate!.sans.includes(san.toLowerCase()))?.name
}

/** The peer by whose host name the connection proved its certificate: for who keeps an eye on peers, and never a right. */
export function peerOf({ certificate }: Connection, peers: Config['peers']): string | undefined {
  if (certificate?.domain === undefined) return undefined
  return peers.find(({ url }) => certificate.sans.includes(new URL(url).hostname))?.id
}

/**
 * The address of a caller, for the record alone: what a configured proxy says in `Forwarded` (RFC 7239), else that of the connection. A proxy
 * appends what it knows, so its own word is the last.
 */
export function remoteOf({ address }: Connection, via: string | undefined, forwarded: string | undefined): string {
  if (via === undefined || forwarded === undefined) return address
  const last = forwarded.split(',').at(-1) ?? ''
  const node = /(?:^|;)\s*for="?(\[[0-9a-f:.]+\]|[0-9a-f:.]+?)(?::\d+)?"?\s*(?:;|$)/i.exec(last)?.[1] ?? ''
  const said = node.replaceAll(/[[\]]/g, '')
  return isIP(said) === 0 ? address : said
}
