import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { HoldfastError } from '../../errors.ts'
import { type Addresses, networksOf } from '../../topology/networks.ts'
import type { Plan, PlanNode } from '../../topology/plan.ts'

const LOCK_HOST = 254
const LOCK_PORT = 47_999
const MOST_NODES = 250

/** No loopback subnet is free. Code `HOLDFAST_NO_SUBNET`. */
export class NoSubnet extends HoldfastError {
  constructor(tried: number, cause: unknown) {
    const text = `${tried} loopback subnets were tried and none was free; see "npx holdfast sweep"`
    super('HOLDFAST_NO_SUBNET', text, { cause })
  }
}

/** A topology has more nodes than a subnet has addresses: each takes one in each of its networks. Code `HOLDFAST_TOO_MANY_NODES`. */
export class TooManyNodes extends HoldfastError {
  constructor(places: number, { nodes, most }: { nodes: number; most: number }) {
    const cuttable = most < MOST_NODES ? ' that can be cut off from each other' : ''
    const counted = places > nodes ? `, each counted once for each of its networks` : ''
    const text = `the process backend runs ${most} nodes${cuttable} at most${counted}, and the plan has ${places}`
    super('HOLDFAST_TOO_MANY_NODES', text)
  }
}

/** Beside the nodes of a run there are not so many addresses. Code `HOLDFAST_TOO_MANY_STRANGERS`. */
export class TooManyStrangers extends HoldfastError {
  constructor(asked: number, room: number) {
    super(
      'HOLDFAST_TOO_MANY_STRANGERS',
      `${asked} addresses of nobody were asked for, and beside its nodes this run has ${room}; ask for fewer, or run fewer nodes`,
    )
  }
}

/**
 * Takes a free loopback /24 that is not in `taken`; `prefix` is `127.x.y.`. A listening socket holds it, so it is free again when the
 * process dies, however it dies.
 */
export async function takeSubnet(taken: ReadonlySet<string>): Promise<AsyncDisposable & { prefix: string }> {
  const attempts = 100
  let last: unknown
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const prefix = `127.${randomInt(16, 251)}.${randomInt(0, 256)}.`
    if (taken.has(prefix)) continue
    try {
      const lock = await listen(`${prefix}${LOCK_HOST}`)
      return { prefix, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() }
    } catch (cause) {
      last = cause
    }
  }
  throw new NoSubnet(attempts, last)
}

/** Addresses of nodes in a subnet, in their order; `each`: how many one node gets in each of its networks. */
export function addressesIn(
  prefix: string,
  { nodes }: Pick<Plan, 'nodes'>,
  each = 1,
): { lots: Addresses[]; taken: number } {
  const all = Object.values(nodes)
  const places = all.flatMap((node) => networksOf(node)).length
  const most = MOST_NODES / each
  if (places > most) throw new TooManyNodes(places, { nodes: all.length, most })
  let taken = 0
  const next = () => `${prefix}${++taken}`
  const addressesOf = (node: PlanNode) => Object.fromEntries(networksOf(node).map((network) => [network, next()]))
  const lots = Array.from({ length: each }, () => Object.fromEntries(all.map((node) => [node.name, addressesOf(node)])))
  return { lots, taken }
}

/** So many addresses of a subnet beyond the first ones, which are taken. */
export function strangersIn(prefix: string, taken: number, count: number): string[] {
  const room = LOCK_HOST - 1 - taken
  if (count > room) throw new TooManyStrangers(count, room)
  return Array.from({ length: count }, (_, at) => `${prefix}${taken + 1 + at}`)
}

/** Why this machine has no loopback addresses but 127.0.0.1, or undefined when it has. */
export async function loopbackMissing(): Promise<string | undefined> {
  const address = `127.${randomInt(16, 251)}.${randomInt(0, 256)}.1`
  try {
    const server = await listen(address, 0)
    server.close()
    return undefined
  } catch (cause) {
    const wayOut =
      process.platform === 'darwin'
        ? `; macOS needs one alias for each address that a run uses: sudo ifconfig lo0 alias ${address}`
        : ''
    return `the address ${address} cannot be used (${(cause as NodeJS.ErrnoException).code})${wayOut}`
  }
}

async function listen(host: string, port = LOCK_PORT): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen({ host, port, exclusive: true })
  await once(server, 'listening')
  return server
}
