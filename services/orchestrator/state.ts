import type { TokenPolicy } from '../shared/bound-token.ts'
import { thumbprint } from '../shared/peer-certificate.ts'
import type { Dialers } from './dialers.ts'
import type { InboundSessions } from './inbound-sessions.ts'
import type { LocalOperation } from './local-call.ts'
import { type OwnCertificates, renewAt } from './own-certificates.ts'
import type { OwnNode } from './own-node.ts'
import type { PeerTokens } from './peer-tokens.ts'
import type { Peer, Peers } from './peers.ts'
import type { RouteTable } from './routes.ts'
import type { Section } from './section.ts'

export interface StateOptions {
  readonly policy: TokenPolicy
  readonly certificates: OwnCertificates
  readonly peers: Peers
  readonly tokens: PeerTokens
  readonly inbound: InboundSessions
  readonly dialers: Dialers
  readonly routes: RouteTable
}

/** `connected`: both directions are up. `partial`: one. */
type PeerState = 'connected' | 'partial' | 'down' | 'needs-token' | 'disabled'

/** `GET /v1/state`: of the node, and of each of its sections. */
export function stateOperation(
  { configuration, certificates }: OwnNode,
  sections: readonly Pick<Section, 'state'>[],
): LocalOperation {
  return {
    method: 'GET',
    path: ['state'],
    action: 'node:read',
    async run() {
      const { newest } = certificates
      const notAfter = newest.leaf.validToDate.getTime()
      const json = {
        node: configuration.node,
        certificate: { 'x5t#S256': thumbprint(newest.leaf), notAfter: iso(notAfter), renewAt: iso(renewAt(newest)) },
      }
      const parts = await Promise.all(sections.map((section) => section.state()))
      return { status: 200, json: Object.assign(json, ...parts) as object }
    },
  }
}

/** Of the section `peering`. */
export function peeringState(options: StateOptions) {
  const { mode, keys } = options.policy
  const age = keys.age()
  return {
    validation: { mode, jwksAgeMs: age === undefined ? null : Math.round(age) },
    peers: options.peers.all().map((peer) => peerState(peer, options)),
    routes: routeCounts(options.routes),
  }
}

function peerState(peer: Peer, { inbound, dialers, tokens, routes, certificates }: StateOptions) {
  const incoming = inbound.state(peer.name)
  const outgoing = dialers.state(peer.name)
  const token = tokens.atHand(peer)
  const previous = certificates.previous()
  const mustRebind = previous !== undefined && tokens.boundTo(peer) === thumbprint(previous.leaf)
  return {
    name: peer.name,
    state: summary(peer, incoming.state === 'connected', outgoing?.state),
    inbound: incoming,
    outbound: {
      ...outgoing,
      ...(token?.jti === undefined ? {} : { jti: token.jti }),
      ...(token?.exp === undefined ? {} : { tokenExpiresAt: iso(token.exp * 1000) }),
      // Until then it needs a token for our new certificate.
      ...(mustRebind ? { rebindRequired: iso(previous.leaf.validToDate.getTime()) } : {}),
    },
    routes: routes.count(peer.name),
  }
}

function summary(peer: Peer, isIn: boolean, outbound: string | undefined): PeerState {
  if (!peer.enabled) return 'disabled'
  if (outbound === 'needs-token') return 'needs-token'
  const isOut = outbound === 'connected'
  if (isIn && isOut) return 'connected'
  return isIn || isOut ? 'partial' : 'down'
}

function routeCounts(routes: RouteTable): Record<'local' | 'learned' | 'stale', number> {
  const counts = { local: 0, learned: 0, stale: 0 }
  for (const { route } of routes.list()) counts[route.state] += 1
  return counts
}

export function iso(ms: number): string {
  return new Date(ms).toISOString()
}
