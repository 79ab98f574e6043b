import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { testFolder } from '../../shared/testing/certificates.ts'
import { freePort, until } from '../../shared/testing/service-process.ts'
import { type LiveNode, startLiveNode } from './testing/live-node.ts'

// Real sockets, real disks, real programs, and the clock of the machine.

const folder = testFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('three nodes elect one, run the pipeline that ships wherever they are asked, and one that ends is followed', async () => {
  const ports = [await freePort(), await freePort(), await freePort()]
  await using nodes = new Nodes(
    await Promise.all([1, 2, 3].map((at) => startLiveNode({ folder, nodeId: `n${at}`, ports }))),
  )
  await until(() => nodes.leader() !== undefined, 'a leader')
  const digests = new Set<unknown>()
  for (const [at, port] of ports.entries()) {
    const url = `http://127.0.0.1:${port}`
    const headers = { 'content-type': 'application/json', 'idempotency-key': `live-key-number-${at}` }
    const body = JSON.stringify({ pipeline: 'canonical_selfplay', params: { games: 30 } })
    const answer = await fetch(`${url}/v1/pipeline/run`, { method: 'POST', headers, body })
    expect(answer.status).toBe(202)
    expect(answer.headers.get('holdfast-proxied-to')).toBe(nodes.leader() === `n${at + 1}` ? null : nodes.leader())
    const { runId } = (await answer.json()) as { runId: string }
    const stateOf = async () =>
      ((await (await fetch(`${url}/v1/pipeline/runs/${runId}`)).json()) as { state: string }).state
    await until(async () => (await stateOf()) === 'succeeded', `run ${runId}`, 30_000)
    const output = await (await fetch(`${url}/v1/pipeline/runs/${runId}/output`)).json()
    digests.add((output as { outputs: { evaluate: { digest: string } } }).outputs.evaluate.digest)
  }
  expect(digests.size).toBe(1)

  const before = nodes.leader()!
  await nodes.end(before)
  await until(() => nodes.leader() !== undefined && nodes.leader() !== before, 'another leader')
})

class Nodes implements AsyncDisposable {
  #nodes: LiveNode[]

  constructor(nodes: LiveNode[]) {
    this.#nodes = nodes
  }

  /** Whom all name. */
  leader(): string | undefined {
    const named = new Set(this.#nodes.map(({ cluster }) => cluster.state().leader))
    return named.size === 1 ? ([...named][0] ?? undefined) : undefined
  }

  async end(id: string): Promise<void> {
    const node = this.#nodes.find((one) => one.id === id)!
    this.#nodes = this.#nodes.filter((one) => one !== node)
    await node[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()))
  }
}
