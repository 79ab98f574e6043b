import { type LocalChange, type RouteTable, routeKey } from './routes.ts'
import type { SessionChannel } from './session-channel.ts'
import type { RouteEntry } from './wire.ts'

const MOST_IN_BATCH = 1_000
/** Well below the largest message, so that the frame around the entries fits. */
const LARGEST_BATCH = 200 * 1024

/**
 * Sends our whole table to a peer, then each change. One batch is on its way at a time, and what changes meanwhile is kept by
 * key: the queue is never longer than the table.
 */
export function startRouteFeed(node: string, routes: RouteTable, channel: SessionChannel): { stop(): void } {
  const pending = new Map<string, RouteEntry>()
  let isSynced = false
  let isRunning = false
  let isStopped = false

  const entryOf = (change: LocalChange): RouteEntry => {
    if (change.op === 'withdraw') return change
    const { domain, name, protocol, endpoint } = change.route
    return { op: 'announce', domain, name, protocol, endpoint, path: [node] }
  }
  const nextBatch = (): RouteEntry[] => {
    const batch: RouteEntry[] = []
    let size = 0
    for (const [key, entry] of pending) {
      size += Buffer.byteLength(JSON.stringify(entry)) + 1
      if (batch.length >= MOST_IN_BATCH || (size > LARGEST_BATCH && batch.length > 0)) break
      batch.push(entry)
      pending.delete(key)
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
      await channel.update(isLast ? { routes: batch, endOfSync: true } : { routes: batch })
    }
    isRunning = false
  }
  const unsubscribe = routes.onLocalChange((change) => {
    const entry = entryOf(change)
    pending.set(routeKey(entry), entry)
    void run()
  })
  for (const route of routes.local()) pending.set(routeKey(route), entryOf({ op: 'announce', route }))
  void run()
  return {
    stop() {
      isStopped = true
      unsubscribe()
    },
  }
}
