import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { Config } from '../config.ts'

/** A node, as the list of peers says it. */
export interface Member {
  readonly id: string
  /** `https://HOST:PORT`: where others call it. */
  readonly url: string
  readonly voter: boolean
}

/** Who is in the cluster. It is configuration: whoever has another list is not in it. */
export interface Membership {
  readonly cluster: string
  readonly self: Member
  /** All but this one. */
  readonly others: readonly Member[]
  /** Ids; this one too, where it votes. */
  readonly voters: readonly string[]
  readonly majority: number
  /** SHA-256, in hex, of the list in canonical JSON (RFC 8785), ordered by id. */
  readonly hash: string
}

type Configured = Pick<Config, 'clusterId' | 'nodeId' | 'peers' | 'listen'>

/** A node without peers is a cluster of its own. */
export function membershipOf({ clusterId, nodeId, peers, listen }: Configured): Membership {
  const all = peers.length > 0 ? peers : [{ id: nodeId, url: urlOf(listen[0]!), voter: true }]
  const members = all
    .map(({ id, url, voter }) => ({ id, url: new URL(url).origin, voter }))
    .sort((one, other) => (one.id < other.id ? -1 : 1))
  const self = members.find(({ id }) => id === nodeId)
  if (self === undefined) throw new Error(`peers does not name this node, ${nodeId}`)
  const voters = members.filter(({ voter }) => voter).map(({ id }) => id)
  return {
    cluster: clusterId,
    self,
    others: members.filter(({ id }) => id !== nodeId),
    voters,
    majority: majorityOf(voters.length),
    hash: createHash('sha256')
      .update(canonicalize(members) as string)
      .digest('hex'),
  }
}

export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1
}

function urlOf({ address, port, tls }: Config['listen'][number]): string {
  const host = address.includes(':') ? `[${address}]` : address
  return `${tls === undefined ? 'http' : 'https'}://${host}:${port}`
}
