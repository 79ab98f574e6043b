import { z } from 'zod'
import type { StartFailure } from '../shared/start-failure.ts'
import { type FilePeer, type PeeringConfiguration, peerInfoSchema } from './config.ts'
import { localObject, localPeer, localQuery } from './guards/local-request.ts'
import { type LocalOperation, pass } from './local-call.ts'
import { pageOf } from './paging.ts'
import type { PeerTokens } from './peer-tokens.ts'
import type { Peer, Peers } from './peers.ts'
import { peerProblem, recordProblem } from './start-checks.ts'
import { iso } from './state.ts'

export interface PeerOperationsOptions {
  readonly configuration: PeeringConfiguration
  readonly peers: Peers
  readonly tokens: PeerTokens
  /** `x5t#S256` of our certificates, the newest first. */
  thumbprints(): readonly string[]
}

const patchSchema = peerInfoSchema.pick({ peerToken: true, domains: true }).extend({ enabled: z.boolean() }).partial()

/** `/v1/peers`: read by the node and operators, written by operators only. */
export function peerOperations(options: PeerOperationsOptions): LocalOperation[] {
  const { configuration, peers, tokens, thumbprints } = options
  const shown = (peer: Peer) => publicInfo(peer, peers.info(peer.name), tokens)
  const named = (name: string | undefined): Peer => {
    const peer = peers.get(name ?? '')
    pass(localObject, { exists: peer !== undefined }, 'There is no such peer.')
    return peer as Peer
  }
  const demandGood = (failure: StartFailure | undefined): void => pass(localPeer, { failure }, failure?.message ?? '')
  return [
    {
      method: 'POST',
      path: ['peers'],
      action: 'peers:write',
      async run({ body }) {
        const info = await body(peerInfoSchema)
        demandGood(peerProblem(info, configuration, thumbprints()))
        pass(localObject, { isTaken: !peers.add(info) }, 'There is a peer of that name.')
        return { status: 201, json: shown(peers.get(info.name) as Peer) }
      },
    },
    {
      method: 'GET',
      path: ['peers'],
      action: 'node:read',
      run({ query }) {
        const page = pageOf(
          peers.all().map((peer) => ({ cursor: peer.name, item: shown(peer) })),
          query,
        )
        pass(localQuery, { isValid: page !== undefined }, 'limit is 1 to 1000, cursor is what next said.')
        return { status: 200, json: { peers: page?.items, next: page?.next } }
      },
    },
    {
      method: 'GET',
      path: ['peers', '*'],
      action: 'node:read',
      run: ({ path }) => ({ status: 200, json: shown(named(path[1])) }),
    },
    {
      method: 'PATCH',
      path: ['peers', '*'],
      action: 'peers:write',
      async run({ path, body }) {
        const patch = await body(patchSchema)
        const { name } = named(path[1])
        const changed = patched(peers.info(name) as FilePeer, patch)
        // A token that is not what this changes may have ended: that is no reason to keep the peer as it is.
        demandGood(
          patch.peerToken === undefined
            ? recordProblem(changed, configuration)
            : peerProblem(changed, configuration, thumbprints()),
        )
        peers.replace(changed)
        return { status: 200, json: shown(peers.get(name) as Peer) }
      },
    },
    {
      method: 'DELETE',
      path: ['peers', '*'],
      action: 'peers:write',
      run({ path }) {
        peers.remove(named(path[1]).name)
        return { status: 204 }
      },
    },
  ]
}

/** A new text takes the place of whatever the token came from before. */
function patched(info: FilePeer, patch: z.output<typeof patchSchema>): FilePeer {
  if (patch.peerToken === undefined) return { ...info, ...patch }
  const { peerTokenFile: _file, tokenSource: _source, ...rest } = info
  return { ...rest, ...patch }
}

/** The record without the token: that is write-only. */
function publicInfo(peer: Peer, info: FilePeer | undefined, tokens: PeerTokens) {
  const expiresAt = tokens.atHand(peer)?.exp
  return {
    name: peer.name,
    endpoint: peer.endpoint,
    domains: peer.domains,
    trustDomain: peer.trustDomain,
    enabled: peer.enabled,
    ...(info?.tokenSource === undefined ? {} : { tokenSource: info.tokenSource }),
    hasPeerToken: peer.token.kind === 'text' || peer.token.kind === 'file',
    ...(expiresAt === undefined ? {} : { peerTokenExpiresAt: iso(expiresAt * 1000) }),
  }
}
