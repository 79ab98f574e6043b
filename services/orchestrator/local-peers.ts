import { z } from 'zod'
import { type Configuration, type FilePeer, peerInfoSchema } from './config.ts'
import { type LocalAnswer, type LocalOperation, problem } from './local-listener.ts'
import { pageOf } from './paging.ts'
import type { PeerTokens } from './peer-tokens.ts'
import type { Peer, Peers } from './peers.ts'
import { peerProblem } from './start-checks.ts'
import { iso } from './state.ts'

export interface PeerOperationsOptions {
  readonly configuration: Configuration
  readonly peers: Peers
  readonly tokens: PeerTokens
  /** `x5t#S256` of our certificate now. */
  thumbprint(): string
}

const patchSchema = peerInfoSchema.pick({ peerToken: true, domains: true }).extend({ enabled: z.boolean() }).partial()

/** `/v1/peers`: read by the node and operators, written by operators only. */
export function peerOperations(options: PeerOperationsOptions): LocalOperation[] {
  const { configuration, peers, tokens, thumbprint } = options
  const shown = (peer: Peer) => publicInfo(peer, peers.info(peer.name), tokens)
  const named = (name: string | undefined, found: (peer: Peer) => LocalAnswer | Promise<LocalAnswer>) => {
    const peer = peers.get(name ?? '')
    return peer === undefined ? problem(404, 'not_found', 'There is no such peer.') : found(peer)
  }
  const refusalOf = (info: FilePeer): LocalAnswer | undefined => {
    const failure = peerProblem(info, configuration, thumbprint())
    return failure === undefined ? undefined : problem(400, failure.reason, failure.message)
  }
  return [
    {
      method: 'POST',
      path: ['peers'],
      action: 'peers:write',
      async run({ body }) {
        const info = peerInfoSchema.safeParse(await body())
        if (!info.success) return invalidBody(info.error)
        const refused = refusalOf(info.data)
        if (refused !== undefined) return refused
        if (!peers.add(info.data)) return problem(409, 'peer_exists', 'There is a peer of that name.')
        return { status: 201, json: shown(peers.get(info.data.name) as Peer) }
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
        if (page === undefined) return problem(400, 'invalid_request', 'limit is 1 to 1000, cursor is what next said.')
        return { status: 200, json: { peers: page.items, next: page.next } }
      },
    },
    {
      method: 'GET',
      path: ['peers', '*'],
      action: 'node:read',
      run: ({ path }) => named(path[1], (peer) => ({ status: 200, json: shown(peer) })),
    },
    {
      method: 'PATCH',
      path: ['peers', '*'],
      action: 'peers:write',
      async run({ path, body }) {
        const patch = patchSchema.safeParse(await body())
        if (!patch.success) return invalidBody(patch.error)
        return named(path[1], (peer) => {
          const changed = patched(peers.info(peer.name) as FilePeer, patch.data)
          const refused = refusalOf(changed)
          if (refused !== undefined) return refused
          peers.replace(changed)
          return { status: 200, json: shown(peers.get(peer.name) as Peer) }
        })
      },
    },
    {
      method: 'DELETE',
      path: ['peers', '*'],
      action: 'peers:write',
      run: ({ path }) =>
        named(path[1], (peer) => {
          peers.remove(peer.name)
          return { status: 204 }
        }),
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
  const expiresAt = tokens.expiresAt(peer)
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

export function invalidBody(error: z.ZodError): LocalAnswer {
  const mistakes = error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
  return problem(400, 'invalid_request', mistakes.join('; '))
}
