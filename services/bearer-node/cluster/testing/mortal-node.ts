import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Health } from '../../health.ts'
import { Cluster } from '../cluster.ts'
import { membershipOf } from '../membership.ts'
import { clusterRoutes } from '../routes.ts'
import { openStore, type Store } from '../store.ts'
import { timeOf } from '../time.ts'
import { callRoute } from './call-route.ts'
import { PIPELINES } from './world.ts'

// A process with one real voter on a real disk. A line on stdin is a call; its answer is a line on stdout. It ends itself by SIGKILL where it was
// told to: at a write, once that is on the disk; or when its answer has left.

interface Line {
  readonly method: 'POST' | 'PUT'
  readonly path: string
  readonly json: object
  readonly die?: 'at-write' | 'at-answer'
}

const [folder = '', nodeId = ''] = process.argv.slice(2)
const peers = ['n1', 'n2', 'n3'].map((id, at) => ({ id, url: `http://127.0.0.1:${8770 + at}`, voter: true }))
const membership = membershipOf({ clusterId: 'test', nodeId, peers, listen: [] })

let dies: Line['die']
const store = openStore(folder)
const die = (): void => void process.kill(process.pid, 'SIGKILL')
const mortal: Pick<Store, 'putLease' | 'putRuns'> = {
  putLease(record) {
    store.putLease(record)
    if (dies === 'at-write') die()
  },
  putRuns(records) {
    store.putRuns(records)
    if (dies === 'at-write') die()
  },
}
const time = timeOf({ monotonicMs: () => performance.now(), wallMs: Date.now })
const cluster = new Cluster({
  ...{ membership, leaseMs: 600_000, peerTimeoutMs: 1_000, pipelines: PIPELINES, time, random: Math.random },
  store: new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in mortal ? mortal : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  }),
  calls: { call: () => new Promise(() => {}), close: async () => {} },
  runner: { start: () => ({ ended: new Promise(() => {}), cancel() {}, kill() {} }) },
  ...{ health: new Health(), log: { info() {}, warn() {}, error() {} } },
})
const routes = clusterRoutes(cluster)

writeSync(1, `${JSON.stringify({ ready: membership.hash })}\n`)
for await (const text of createInterface({ input: process.stdin })) {
  const { method, path, json, die: when } = JSON.parse(text) as Line
  dies = when
  const body = Buffer.from(JSON.stringify(json))
  const answer = await callRoute(routes, { method, path, body, timeoutMs: 1_000 })
  writeSync(1, `${JSON.stringify({ status: answer.status, body: JSON.parse(answer.body.toString()) as unknown })}\n`)
  if (dies === 'at-answer') die()
}
