interface Row {
  readonly createdAt: string
  readonly _source: string
}

/** Rows of several sources in one list: the newest first, those of one moment by source, and those of one source in its order. */
export function mergeByTime<Of extends Row>(parts: readonly (readonly Of[])[]): Of[] {
  const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
  return parts.flat().sort((one, other) => order(other.createdAt, one.createdAt) || order(one._source, other._source))
}

/** Hits of several sources in one list: the best of each, then the second of each. Scores of two sources do not compare. */
export function interleave<Hit>(parts: readonly (readonly Hit[])[]): Hit[] {
  const longest = Math.max(0, ...parts.map(({ length }) => length))
  return Array.from({ length: longest }, (_, rank) => parts.flatMap((part) => part.slice(rank, rank + 1))).flat()
}
