import { thumbprint } from '../shared/peer-certificate.ts'
import { readAnchors, readTlsMaterial, type TlsMaterial } from '../shared/tls-material.ts'
import type { Configuration } from './config.ts'
import { readPrevious } from './previous-certificate.ts'

/** Everything that is read from PEM files. */
export interface Material {
  peering: TlsMaterial
  local: TlsMaterial
  auth: readonly string[]
  /** The certificate before the last renewal, where tokens may still be bound to it. */
  previous?: TlsMaterial
}

/** Throws `StartFailure`. */
export function readMaterial({ tls, trustDomain, peering: { trustDomains, auth } }: Configuration): Material {
  const own = { [trustDomain.name]: trustDomain.ca }
  const foreign = Object.fromEntries(Object.entries(trustDomains).map(([name, { ca }]) => [name, ca]))
  const peering = readTlsMaterial({ ...tls, anchors: { ...foreign, ...own } })
  return {
    peering,
    previous: readPrevious(tls, peering),
    local: readTlsMaterial({ ...tls, anchors: own }),
    auth: readAnchors(auth.ca ?? trustDomain.ca).map(String),
  }
}

/** `x5t#S256` of what can be presented, the newest first. */
export function thumbprintsIn({ peering, previous }: Material): string[] {
  return [peering, previous].flatMap((material) => (material ? [thumbprint(material.leaf)] : []))
}
