import { RouteTable } from '../../services/orchestrator/routes.ts'

// Tells how many bytes of heap a learned route takes, in a table of so many.
const count = Number(process.argv[2])
const heap = (): number => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const fill = (table: RouteTable, prefix: string): void => {
  for (let at = 0; at < count; at += 1) {
    // Parsed, so that no two routes share their texts: as those that come in messages.
    const text = `{"domain":"b.test","name":"${prefix}-${at}","protocol":"http","endpoint":"https://${prefix}-${at}.b.test/","path":["node-b"]}`
    table.learn('node-b', JSON.parse(text) as Parameters<RouteTable['learn']>[1])
  }
}

/** Once before anything counts: what the code itself needs is no route's. */
const warmUp = (): void => fill(new RouteTable(), 'warm')

warmUp()
await new Promise((resolve) => setImmediate(resolve))
const before = heap()
const table = new RouteTable()
fill(table, 'route')
await new Promise((resolve) => setImmediate(resolve))
const after = heap()
process.send?.((after - before) / table.count('node-b'))
