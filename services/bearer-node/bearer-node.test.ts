import { rm } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type TestAuthority, testAuthority, testFolder } from '../shared/testing/certificates.ts'
import { freePort, until } from '../shared/testing/service-process.ts'
import { startNode, type TestNode } from './testing/process.ts'
import { NEW, OLD } from './testing/tokens.ts'

// The parts of a node put together: real processes with TLS between them, each of which judges the others by one token.

vi.setConfig({ testTimeout: 180_000 })

const root = testFolder()
let authority: TestAuthority
let agent: Agent
beforeAll(async () => {
  authority = await testAuthority(root, 'cluster')
  agent = new Agent({ ca: authority.pem })
})
afterAll(async () => {
  agent.destroy()
  await rm(root, { recursive: true })
})

interface Peer {
  readonly id: string
  readonly port: number
  readonly node: TestNode
}

const hostOf = (id: string) => `${id}.somebiz.local.io`

/** Three nodes that know each other, with a token for each. */
async function cluster(tokens: readonly string[]): Promise<Peer[]> {
  const members = await Promise.all(tokens.map(async (_, at) => ({ id: `orc-${at + 1}`, port: await freePort() })))
  const peers = members.map(({ id, port }) => ({ id, url: `https://${hostOf(id)}:${port}` }))
  return Promise.all(
    members.map(async ({ id, port }, at) => {
      const { certFile, keyFile } = await authority.issue({ sans: [hostOf(id)] })
      const listen = [{ address: '127.0.0.1', port, tls: { certFile, keyFile } }]
      const common = { caFile: authority.file, leaseMs: 1_000, peerTimeoutMs: 2_000 }
      const env = { HOLDFAST_CLUSTER_AUTH_TOKEN: tokens[at]! }
      const node = await startNode(root, { env, configuration: { nodeId: id, listen, peers, ...common } })
      return { id, port, node }
    }),
  )
}

async function ask({ id, port }: Peer, method: string, path: string, given: { token?: string; body?: unknown } = {}) {
  const { token, body } = given
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() }),
  }
  const options = { host: '127.0.0.1', servername: hostOf(id), port, path, method, headers, agent }
  return new Promise<{ status: number; headers: Record<string, unknown>; body: unknown }>((resolve, reject) => {
    const sent = request(options, async (response) => {
      const read = await text(response)
      resolve({
        status: response.statusCode!,
        headers: response.headers,
        body: read === '' ? undefined : JSON.parse(read),
      })
    })
    sent.once('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

interface Status {
  readonly leader: string | null
  readonly peers: readonly { readonly id: string; readonly peerAuth: string }[]
}

const statusOf = async (peer: Peer) => (await ask(peer, 'GET', '/v1/status')).body as Status
const authsOf = async (peer: Peer) =>
  Object.fromEntries((await statusOf(peer)).peers.map(({ id, peerAuth }) => [id, peerAuth]))

async function ended(peers: readonly Peer[]): Promise<(number | null)[]> {
  for (const { node } of peers) node.process.kill('SIGTERM')
  return Promise.all(peers.map(({ node }) => node.exited))
}

test('nodes with one token elect a leader, whom a follower asks for who has it and for nobody else', async () => {
  const peers = await cluster([OLD, OLD, OLD])
  try {
    await until(
      async () => {
        const leaders = new Set(await Promise.all(peers.map(async (peer) => (await statusOf(peer)).leader)))
        return leaders.size === 1 && !leaders.has(null)
      },
      'one leader',
      30_000,
    )
    const { leader } = await statusOf(peers[0]!)
    const follower = peers.find(({ id }) => id !== leader)!
    const order = { pipeline: 'canonical_selfplay', params: { games: 5 } }
    for (const token of [undefined, NEW]) {
      expect((await ask(follower, 'POST', '/v1/pipeline/run', { token, body: order })).status).toBe(401)
    }
    const run = await ask(follower, 'POST', '/v1/pipeline/run', { token: OLD, body: order })
    expect({ status: run.status, to: run.headers['holdfast-proxied-to'] }).toEqual({ status: 202, to: leader })
    const { runId } = run.body as { runId: string }
    const stateOf = async () => {
      const { body } = await ask(follower, 'GET', `/v1/pipeline/runs/${runId}`)
      return (body as { state?: string }).state
    }
    await until(async () => (await stateOf()) === 'succeeded', 'the run', 60_000)
    expect((await ask(follower, 'GET', `/v1/pipeline/runs/${runId}/output`)).status).toBe(401)
    expect((await ask(follower, 'GET', `/v1/pipeline/runs/${runId}/output`, { token: OLD })).status).toBe(200)
    expect(await authsOf(follower)).toEqual(
      Object.fromEntries(peers.filter(({ id }) => id !== follower.id).map(({ id }) => [id, 'ok'])),
    )
  } finally {
    expect(await ended(peers)).toEqual([0, 0, 0])
  }
})

test('one with another token is refused and refuses, both sides say so, and the others keep their majority', async () => {
  const peers = await cluster([OLD, OLD, NEW])
  try {
    const [first, , odd] = peers as [Peer, Peer, Peer]
    await until(async () => (await statusOf(first)).leader !== null, 'a leader', 30_000)
    await until(
      async () => ['refused_us', 'we_refused'].includes((await authsOf(first))['orc-3']!),
      'its verdict',
      30_000,
    )
    await until(async () => Object.values(await authsOf(odd)).every((auth) => auth !== 'unknown'), 'verdicts', 30_000)
    expect(await authsOf(first)).toMatchObject({ 'orc-2': 'ok' })
    expect(Object.values(await authsOf(odd))).not.toContain('ok')
    expect((await statusOf(odd)).leader).toBeNull()
    expect(odd.node.decisions().some(({ reason }) => reason === 'token_unknown')).toBe(true)
    expect((await statusOf(first)).leader).not.toBe('orc-3')
  } finally {
    expect(await ended(peers)).toEqual([0, 0, 0])
  }
})
