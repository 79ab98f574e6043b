import { createServer } from 'node:http'
import { join } from 'node:path'
import { program } from '../../config.ts'
import { Health } from '../../health.ts'
import type { Method } from '../../listener/route.ts'
import { type StartedCluster, startCluster } from '../index.ts'
import { callRoute } from './call-route.ts'

/** A node over real sockets, behind a listener that judges nobody. */
export interface LiveNode extends AsyncDisposable {
  readonly id: string
  readonly cluster: StartedCluster
  readonly health: Health
  readonly events: string[]
}

export interface LiveOptions {
  readonly folder: string
  readonly nodeId: string
  readonly ports: readonly number[]
  readonly pipelines?: object
}

export async function startLiveNode({ folder, nodeId, ports, pipelines = {} }: LiveOptions): Promise<LiveNode> {
  const peers = ports.map((port, at) => ({ id: `n${at + 1}`, url: `http://127.0.0.1:${port}` }))
  const config = program.schema.parse({
    ...{ clusterId: 'live', nodeId, dataDir: join(folder, nodeId), peers, leaseMs: 1_000, peerTimeoutMs: 1_000 },
    pipelines,
  })
  const events: string[] = []
  const log = (event: string): void => void events.push(event)
  const health = new Health()
  const cluster = await startCluster({
    ...{ config, tokens: undefined, record: () => {}, log: { info: log, warn: log, error: log }, health },
    ...{ clock: { monotonicMs: () => performance.now(), wallMs: Date.now }, tlsFor: () => undefined },
  })
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => void chunks.push(chunk))
    request.on('end', () => {
      const { method, url = '', headers } = request
      const given = {
        method: method as Exclude<Method, 'DELETE'>,
        path: url,
        timeoutMs: 0,
        body: Buffer.concat(chunks),
      }
      void callRoute(cluster.routes, { ...given, headers: headers as Record<string, string> }).then(
        ({ status, headers, body }) => response.writeHead(status, headers as Record<string, string>).end(body),
        () => response.writeHead(500).end(),
      )
    })
  })
  const port = ports[Number(nodeId.slice(1)) - 1]!
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  return {
    ...{ id: nodeId, cluster, health, events },
    async [Symbol.asyncDispose]() {
      await cluster.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
