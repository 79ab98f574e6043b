import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcp } from 'node:net'
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

/** A server that answers each connection with what `say` makes of what it hears. */
async function probeOf(say: (heard: string) => string | undefined, signal = AbortSignal.timeout(1_000)) {
  const server = createTcp((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const said = say(chunk.toString('latin1'))
      if (said === undefined) socket.end()
      else socket.write(said, 'latin1')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const context = { ref: 'one/db', address: '127.0.0.9', settings: { slowness: 0.1 } } as unknown as UnitContext
  const greeting = Buffer.from('hello').toString('base64')
  const tcp = { port, address: '127.0.0.1', greeting, answer: '^(R|E.*\\0C28)' }
  return probeUntilReady({ tcp }, context, { signal })
}

test('a program is ready once it answers a greeting as it must', async () => {
  const answers = ['E\0\0\0SFATAL\0C57P03\0Mthe database system is starting up\0', undefined, 'R\0\0']
  const heard: string[] = []
  await probeOf((text) => {
    heard.push(text)
    return answers[heard.length - 1]
  })
  expect(heard).toEqual(['hello', 'hello', 'hello'])
  await expect(probeOf(() => 'E\n\0C28000\0no entry')).resolves.toBeUndefined()
})

test.each([
  [
    'another answer',
    () => 'E\0C57P03\0starting up\0',
    /127\.0\.0\.1:\d+ did not answer as it must within 200 ms: E C57P03 starting up$/,
  ],
  ['no answer', () => '', /127\.0\.0\.1:\d+ did not answer within 200 ms$/],
  ['an end', () => undefined, /127\.0\.0\.1:\d+ ended without an answer$/],
  ['too much', () => 'x'.repeat(5_000), /did not answer as it must: x{200}$/],
])('%s is told once the wait is over', async (_, say, message) => {
  await expect(probeOf(say)).rejects.toThrow(message)
})
