import type { Status } from './wire.ts'

/** `by` refuses the token of `of`, as one of them says. */
export interface Disagreement {
  readonly by: string
  readonly of: string
}

/** Who refuses whom, each pair once, in the order of names. */
export function disagreementsIn(statuses: readonly Pick<Status, 'node' | 'peers'>[]): Disagreement[] {
  const pairs = statuses.flatMap(({ node, peers }) =>
    peers.flatMap(({ id, peerAuth }) => {
      if (peerAuth === 'refused_us') return [{ by: id, of: node }]
      return peerAuth === 'we_refused' ? [{ by: node, of: id }] : []
    }),
  )
  const once = new Map(pairs.map((pair) => [`${pair.by} ${pair.of}`, pair]))
  return [...once.keys()].sort().map((key) => once.get(key)!)
}
