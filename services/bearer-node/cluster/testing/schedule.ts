import fc from 'fast-check'
import { checkHistory } from './check-history.ts'
import type { NodeClock } from './sim-time.ts'
import { LEASE_MS, World } from './world.ts'

/** Something that happens to a cluster. Nodes are numbers from 0: beyond the last one they begin anew. */
export type Fault =
  | { readonly what: 'isolate'; readonly nodes: readonly number[]; readonly forMs: number }
  | { readonly what: 'cut'; readonly from: number; readonly to: number; readonly forMs: number }
  | { readonly what: 'kill'; readonly node: number; readonly forMs: number }
  /** With its so manyth write, or answer, from now on. */
  | {
      readonly what: 'kill-at-write' | 'kill-at-answer'
      readonly node: number
      readonly nth: number
      readonly forMs: number
    }
  | { readonly what: 'kill-leader'; readonly forMs: number }
  | { readonly what: 'pause'; readonly node: number; readonly forMs: number }
  | { readonly what: 'pause-leader'; readonly forMs: number }
  | { readonly what: 'slow'; readonly delayMs: number; readonly forMs: number }
  | { readonly what: 'lose'; readonly rate: number; readonly forMs: number }
  | { readonly what: 'read-only'; readonly node: number; readonly forMs: number }
  | { readonly what: 'transfer'; readonly to: number }
  | { readonly what: 'cancel'; readonly run: number }

export interface Schedule {
  readonly seed: number
  readonly nodes: 3 | 4 | 5
  readonly clocks: readonly NodeClock[]
  readonly faults: readonly (Fault & { readonly atMs: number })[]
  /** When runs are asked for, in ms, and where first. */
  readonly runs: readonly { readonly atMs: number; readonly first: number }[]
}

const LASTS_MS = 12 * LEASE_MS
const node = fc.nat(4)
const forMs = fc.integer({ min: 50, max: 4 * LEASE_MS })

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ what: fc.constant('isolate' as const), nodes: fc.array(node, { minLength: 1, maxLength: 2 }), forMs }),
  fc.record({ what: fc.constant('cut' as const), from: node, to: node, forMs }),
  fc.record({ what: fc.constant('kill' as const), node, forMs }),
  fc.record({
    ...{ what: fc.constantFrom('kill-at-write' as const, 'kill-at-answer' as const), node },
    ...{ nth: fc.integer({ min: 1, max: 12 }), forMs },
  }),
  fc.record({ what: fc.constant('kill-leader' as const), forMs }),
  fc.record({ what: fc.constant('pause' as const), node, forMs }),
  fc.record({ what: fc.constant('pause-leader' as const), forMs }),
  fc.record({ what: fc.constant('slow' as const), delayMs: fc.integer({ min: 50, max: 600 }), forMs }),
  fc.record({ what: fc.constant('lose' as const), rate: fc.double({ min: 0.05, max: 0.5, noNaN: true }), forMs }),
  fc.record({ what: fc.constant('read-only' as const), node, forMs }),
  fc.record({ what: fc.constant('transfer' as const), to: node }),
  fc.record({ what: fc.constant('cancel' as const), run: fc.nat(5) }),
)

/** Clocks of real machines go apart by less than a thousandth; a lease allows for some hundredths. */
const clock = fc.record({
  rate: fc.double({ min: 0.97, max: 1.03, noNaN: true }),
  aheadMs: fc.constantFrom(0, 0, 3_600_000, -3_600_000),
})

export const schedules: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.nat(),
  nodes: fc.constantFrom(3 as const, 3 as const, 4 as const, 5 as const),
  clocks: fc.array(clock, { minLength: 5, maxLength: 5 }),
  faults: fc.array(
    fc.tuple(fault, fc.nat(LASTS_MS)).map(([what, atMs]) => ({ ...what, atMs })),
    { maxLength: 8 },
  ),
  runs: fc.array(fc.record({ atMs: fc.nat(LASTS_MS), first: node }), { minLength: 1, maxLength: 6 }),
})

/** Lives through a schedule until everything is well again and has come to its end. Answers what broke a promise. */
export async function problemsOf(schedule: Schedule): Promise<string[]> {
  const { nodes, seed, clocks, faults, runs } = schedule
  // Of 4 nodes one only reads: its word counts for nothing.
  await using world = World.start({ nodes, readers: nodes === 4 ? 1 : 0, seed, clocks: clocks.slice(0, nodes) })
  const acknowledged: Promise<string>[] = []
  for (const fault of faults) world.time.after(fault.atMs, () => begin(world, fault))
  for (const [at, { atMs, first }] of runs.entries()) {
    world.time.after(atMs, () => acknowledged.push(world.submit(`key-number-${String(at).padStart(8, '0')}`, first)))
  }
  await world.run(LASTS_MS + 4 * LEASE_MS)
  world.heal()
  for (const { id } of world.nodes) makeWell(world, id)
  let isAcknowledged = false
  void Promise.all(acknowledged).then(() => {
    isAcknowledged = true
  })
  await world.until(() => isAcknowledged && world.leader() !== undefined, 'all runs to be acknowledged')
  await world.until(() => isQuiet(world), 'all runs to have ended everywhere')
  world.recordFinal()
  const ids = world.nodes.map(({ id }) => id)
  const mayOverlap = faults.some(({ what }) => what === 'transfer')
  return checkHistory(world.history.events, { voters: nodes === 4 ? 3 : nodes, nodes: ids, mayOverlap })
}

function makeWell(world: World, id: string): void {
  const node = world.node(id)
  node.isReadOnly = false
  node.diesAtAnswer = undefined
  node.diesAtWrite = undefined
  world.up(id)
}

/** All nodes have the same records, and nothing is left to do. */
function isQuiet(world: World): boolean {
  const stores = world.nodes.map(({ alive }) => alive!.store)
  const isSame = new Set(stores.map((store) => store.digest())).size === 1
  return isSame && stores.every((store) => [...store.heads().values()].every(({ settled }) => settled))
}

/** What it was is put right again after its time. */
function begin(world: World, fault: Fault): void {
  const undo = undoOf(world, fault)
  if (undo !== undefined && 'forMs' in fault) world.time.after(fault.forMs, undo)
}

/** Lets it happen. Answers what puts it right; a pause ends by itself. */
function undoOf(world: World, fault: Fault): (() => void) | undefined {
  const idOf = (number: number): string => world.nodes[number % world.nodes.length]!.id
  const leader = world.leader()
  switch (fault.what) {
    case 'isolate':
      world.isolate(...fault.nodes.map(idOf))
      return () => world.heal()
    case 'cut':
      world.cut(idOf(fault.from), idOf(fault.to))
      return () => world.heal()
    case 'lose':
      world.lossRate = fault.rate
      return () => world.heal()
    case 'slow':
      world.delayMs = [1, fault.delayMs]
      return () => {
        world.delayMs = [1, 5]
      }
    case 'kill':
      return killed(world, idOf(fault.node))
    case 'kill-leader':
      return leader === undefined ? undefined : killed(world, leader)
    case 'kill-at-write':
    case 'kill-at-answer':
      world.node(idOf(fault.node))[fault.what === 'kill-at-write' ? 'diesAtWrite' : 'diesAtAnswer'] = fault.nth
      return () => world.up(idOf(fault.node))
    case 'read-only':
      world.node(idOf(fault.node)).isReadOnly = true
      return () => {
        world.node(idOf(fault.node)).isReadOnly = false
      }
    case 'pause':
      world.pause(idOf(fault.node), fault.forMs)
      return undefined
    case 'pause-leader':
      if (leader !== undefined) world.pause(leader, fault.forMs)
      return undefined
    case 'transfer':
      if (leader !== undefined) void world.post(leader, '/v1/leader/transfer', { to: idOf(fault.to) })
      return undefined
    case 'cancel':
      cancel(world, leader, world.history.of('acknowledged')[fault.run]?.run)
      return undefined
  }
}

function killed(world: World, id: string): () => void {
  world.kill(id)
  return () => world.up(id)
}

function cancel(world: World, leader: string | undefined, run: string | undefined): void {
  if (run !== undefined && leader !== undefined) void world.post(leader, `/v1/pipeline/runs/${run}/cancel`, {})
}
