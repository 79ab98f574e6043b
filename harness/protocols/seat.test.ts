import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { addressOf } from './seat.ts'

test.each(['127.0.0.1', '::1'])('localhost is %s where that listens', async (host) => {
  await using server = createServer((stream) => stream.destroy()).listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  expect(await addressOf({ address: 'localhost', port })).toBe(host)
  expect(await addressOf({ address: '127.0.0.2', port })).toBe('127.0.0.2')
})

test('a name at which nothing listens stays one', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')

  expect(await addressOf({ address: 'localhost', port })).toBe('localhost')
})
