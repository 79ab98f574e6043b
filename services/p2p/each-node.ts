import type { z } from 'zod'
import { CommandFailed } from './failure.ts'
import type { Node } from './node.ts'
import type { Cluster } from './open-cluster.ts'
import { type Status, status } from './wire.ts'

/** A node, and what came of asking it: an answer, or why there is none. */
export interface AskedNode<Answer> {
  readonly id: string
  readonly url: string
  readonly answer?: Answer
  readonly failure?: CommandFailed
}

/** What a node says of itself and of its peers. */
export interface SeenStatus {
  readonly status: Status
  /** Whether it refused the token, and said this as it says it to everybody. */
  readonly isTokenRefused: boolean
}

/** Asks a node, and each other one that it knows, once. Without its answer nobody else is asked. @throws CommandFailed */
export async function statusOfEach(cluster: Cluster): Promise<AskedNode<SeenStatus>[]> {
  const { own, nodes } = await nodesOf(cluster)
  const others = nodes.filter(({ id }) => id !== own.status.node)
  const answers = await Promise.all(others.map((other) => askOne(other, (node) => statusOf(node))))
  return inOrder([{ id: own.status.node, url: cluster.node.url.origin, answer: own }, ...answers])
}

/** Asks every node of the cluster the same, once. @throws CommandFailed where it cannot be told which there are */
export async function askEach<Answer>(
  cluster: Cluster,
  path: string,
  schema: z.ZodType<Answer>,
): Promise<AskedNode<Answer>[]> {
  const { nodes } = await nodesOf(cluster)
  return inOrder(await Promise.all(nodes.map((one) => askOne(one, (node) => node.ask({ path }, schema)))))
}

interface KnownNode {
  readonly id: string
  readonly url: string
  /** @throws CommandFailed where it is not to be asked */
  node(): Node
}

async function nodesOf(cluster: Cluster): Promise<{ own: SeenStatus; nodes: readonly KnownNode[] }> {
  const own = await statusOf(cluster.node, cluster)
  const others = own.status.peers.filter(({ id }) => id !== own.status.node)
  const nodes = [
    { id: own.status.node, url: cluster.node.url.origin, node: () => cluster.node },
    ...others.map(({ id, url }) => ({ id, url, node: () => cluster.at(url) })),
  ]
  return { own, nodes }
}

/** Reads may be open: where a node refuses the token, what it says to everybody tells more than nothing. */
async function statusOf(node: Node, again?: Pick<Cluster, 'repeats'>): Promise<SeenStatus> {
  const ask = (at: Node) => {
    const asked = { path: '/v1/status' }
    return again === undefined ? at.ask(asked, status) : at.askAgain(asked, status, again.repeats)
  }
  try {
    return { status: await ask(node), isTokenRefused: false }
  } catch (failure) {
    if (!(failure instanceof CommandFailed) || failure.code !== 'invalid_token') throw failure
    const found = await ask(node.withoutToken()).catch(() => undefined)
    if (found === undefined) throw failure
    return { status: found, isTokenRefused: true }
  }
}

async function askOne<Answer>(
  { id, url, node }: KnownNode,
  ask: (node: Node) => Promise<Answer>,
): Promise<AskedNode<Answer>> {
  try {
    return { id, url, answer: await ask(node()) }
  } catch (failure) {
    if (failure instanceof CommandFailed) return { id, url, failure }
    throw failure
  }
}

function inOrder<Answer>(nodes: readonly AskedNode<Answer>[]): AskedNode<Answer>[] {
  return nodes.toSorted((one, other) => (one.id < other.id ? -1 : 1))
}
