import { thumbprint } from '../shared/peer-certificate.ts'
import { readAnchors, readTlsMaterial, type TlsMaterial } from '../shared/tls-material.ts'
import type { Configuration } from './config.ts'
import { readPrevious } from './previous-certificate.ts'

/** Everything that is read from PEM files. */
export interface Material {
  /** With the anchors of every trust domain that is configured. */
  peering: TlsMaterial
  /** With our own alone. */
  local: TlsMaterial
  auth: readonly string[]
  /** The certificate before the last renewal, where tokens may still be bound to it. */
  previous?: TlsMaterial
}

/** Throws `StartFailure`. */
export function readMaterial({ tls, trustDomain, peering }: Configuration): Material {
  const own = { [trustDomain.name]: trustDomain.ca }
  const foreign = Object.fromEntries(Object.entries(peering?.trustDomains ?? {}).map(([name, { ca }]) => [name, ca]))
  const all = readTlsMaterial({ ...tls, anchors: { ...foreign, ...own } })
  return {
    peering: all,
    previous: readPrevious(tls, all),
    local: readTlsMaterial({ ...tls, anchors: own }),
    auth: readAnchors(peering?.auth.ca ?? trustDomain.ca).map(String),
  }
}

/** `x5t#S256` of what can be presented, the newest first. */
export function thumbprintsIn({ peering, previous }: Material): string[] {
  return [peering, previous].flatMap((material) => (material ? [thumbprint(material.leaf)] : []))
}
