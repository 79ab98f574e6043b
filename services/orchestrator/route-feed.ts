import { MOST_HOPS, MOST_ROUTES } from './guards/route.ts'
import { keyParts, type RouteTable } from './routes.ts'
import type { SessionChannel } from './session-channel.ts'
import type { RouteEntry } from './wire.ts'

const MOST_IN_BATCH = 1_000
/** Well below the largest message, so that the frame around the entries fits. */
const LARGEST_BATCH = 200 * 1024

/** The neighbour that is told, over one session. */
export interface FeedTarget {
  /** Our own name: we put it before the path. */
  readonly node: string
  readonly peer: string
  readonly channel: Pick<SessionChannel, 'update'>
}

/**
 * Sends the best path of every route to a peer, then each change. One batch is on its way at a time, and of what changes
 * meanwhile only the key is kept: the queue is never longer than the table, and what is sent is what holds then.
 */
export function startRouteFeed({ node, peer, channel }: FeedTarget, routes: RouteTable): { stop(): void } {
  const pending = new Set(routes.keys())
  /** What the peer was told of on this session. */
  const announced = new Set<string>()
  /** What it was not told, for it takes no more than `MOST_ROUTES`. */
  const held = new Set<string>()
  let isSynced = false
  let isRunning = false
  let isStopped = false

  const withdraw = (key: string): RouteEntry | undefined => {
    held.delete(key)
    if (!announced.delete(key)) return undefined
    for (const waiting of held) {
      held.delete(waiting)
      pending.add(waiting)
      break
    }
    return { op: 'withdraw', ...keyParts(key) }
  }
  const entryFor = (key: string): RouteEntry | undefined => {
    const best = routes.best(key)
    // Split horizon: what came from the peer does not go back to it. A path that is full ends here.
    if (best === undefined || best.peer === peer || best.path.length >= MOST_HOPS) return withdraw(key)
    if (!announced.has(key) && announced.size >= MOST_ROUTES) {
      held.add(key)
      return undefined
    }
    announced.add(key)
    const { domain, name, protocol, endpoint, path } = best
    return { op: 'announce', domain, name, protocol, endpoint, path: [node, ...path] }
  }
  const nextBatch = (): RouteEntry[] => {
    const batch: RouteEntry[] = []
    let size = 0
    for (const key of pending) {
      if (batch.length >= MOST_IN_BATCH || size >= LARGEST_BATCH) break
      pending.delete(key)
      const entry = entryFor(key)
      if (entry === undefined) continue
      size += Buffer.byteLength(JSON.stringify(entry)) + 1
      batch.push(entry)
    }
    return batch
  }
  const run = async (): Promise<void> => {
    if (isRunning) return
    isRunning = true
    while (!isStopped && (pending.size > 0 || !isSynced)) {
      const batch = nextBatch()
      const isLast = !isSynced && pending.size === 0
      if (isLast) isSynced = true
      if (isLast || batch.length > 0) await channel.update({ routes: batch, ...(isLast ? { endOfSync: true } : {}) })
    }
    isRunning = false
  }
  const unsubscribe = routes.onBestChange((key) => {
    pending.add(key)
    void run()
  })
  void run()
  return {
    stop() {
      isStopped = true
      unsubscribe()
    },
  }
}
