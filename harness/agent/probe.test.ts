import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { UnitContext } from './node-context.ts'
import { probeUntilReady } from './probe.ts'

test('a program whose answers take long has twice that time to itself between two probes', async () => {
  const asked: number[] = []
  const server = createServer((_, outgoing) => {
    asked.push(performance.now())
    setTimeout(() => outgoing.writeHead(503).end(), 100)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const plan = { nodes: {} }
  const settings = { addresses: {}, run: 'x' }
  const context = {
    ref: 'one/web',
    address: '127.0.0.1',
    plan,
    settings,
    node: { name: 'one' },
  } as unknown as UnitContext
  const probe = { http: { url: `http://127.0.0.1:${port}/`, address: '127.0.0.1', expect: [200] } }

  await expect(probeUntilReady(probe, context, { signal: AbortSignal.timeout(1_000) })).rejects.toThrow('answered 503')
  const gaps = asked.slice(1).map((at, index) => at - asked[index]!)
  expect(gaps.length).toBeGreaterThan(0)
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(295)
})
