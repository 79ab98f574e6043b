import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../../site/until.ts'
import { openRelay, type Relay } from './relay.ts'

const [home, strange, from, other] = ['127.61.7.1', '127.61.7.2', '127.61.7.3', '127.61.7.4']
let server: net.Server
let relay: Relay
/** At the far end, in the order in which they came. */
let came: { socket: Socket; heard: () => string }[]
const own: Socket[] = []

beforeEach(async () => {
  came = []
  server = net.createServer((socket) => came.push({ socket, heard: hearing(socket) }))
  server.listen(0, home)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  relay = await openRelay({ address: strange, port }, home)
})

afterEach(async () => {
  for (const socket of own.splice(0)) socket.destroy()
  await relay[Symbol.asyncDispose]()
  server.close()
})

function hearing(socket: Socket): () => string {
  let heard = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    heard += String(chunk)
  })
  return () => heard
}

async function call(localAddress: string): Promise<{ socket: Socket; heard: () => string }> {
  const { port } = server.address() as AddressInfo
  const socket = net.connect({ host: strange, port, localAddress })
  own.push(socket)
  const heard = hearing(socket)
  await once(socket, 'connect')
  return { socket, heard }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

const within = { withinMs: 2_000, everyMs: 5 }

test('it carries both ways, from the address of the caller, and ends with either side', async () => {
  const near = await call(from)
  near.socket.write('there')
  await until('the far end hears', () => came[0]?.heard() === 'there', within)
  expect(came[0]?.socket.remoteAddress).toBe(from)
  came[0]?.socket.end('back')
  await until('the near end hears', () => near.heard() === 'back', within)
  await until('nothing is carried', () => relay.carried === 0, within)
})

test('a cut holds both ways back and tells nobody; afterwards all arrives, in order', async () => {
  const [near, beside] = [await call(from), await call(other)]
  near.socket.write('1')
  await until('it is carried', () => came.length === 2 && came.some(({ heard }) => heard() === '1'), within)
  const far = came.find(({ heard }) => heard() === '1')!

  relay.cut(from)
  near.socket.write('2')
  far.socket.write('a')
  beside.socket.write('b')
  await until('another caller is carried on', () => came.some(({ heard }) => heard() === 'b'), within)
  expect([far.heard(), near.heard(), near.socket.destroyed, far.socket.destroyed]).toEqual(['1', '', false, false])

  relay.heal()
  await until('all arrives', () => far.heard() === '12' && near.heard() === 'a', within)
})

test('what ends during the cut is over for the other side afterwards', async () => {
  const near = await call(from)
  await until('it is carried', () => came.length === 1, within)
  const ended = closed(came[0]!.socket)
  relay.cut(from)
  near.socket.destroy()
  near.socket.unref()
  expect(came[0]?.socket.destroyed).toBe(false)

  relay.heal()
  await ended
  await until('nothing is carried', () => relay.carried === 0, within)
})

test('during the cut nothing new begins, and what was tried is refused when it is over', async () => {
  relay.cut(from)
  const early = await call(from)
  early.socket.write('hello')
  await call(other)
  await until('another caller gets through', () => came.length === 1, within)
  expect(came[0]?.socket.remoteAddress).toBe(other)

  const ended = closed(early.socket)
  relay.heal()
  await ended
  await call(from)
  await until('it is open again', () => came.length === 2, within)
})
