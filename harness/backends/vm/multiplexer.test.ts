import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type Duplex, duplexPair, PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Multiplexer } from './multiplexer.ts'

/** Two ends of a line; what the guest's end was opened with comes in order. */
function line() {
  const [one, other] = duplexPair()
  const opened: [string, Duplex][] = []
  const host = new Multiplexer('host', one, one)
  const guest = new Multiplexer('guest', other, other, (name, stream) => opened.push([name, stream]))
  return { one, other, host, guest, opened }
}

test('passes all bytes of many streams both ways, each ended by itself', async () => {
  const { host, opened } = line()
  const bytes = randomBytes(1_500_000)
  const streams = Array.from({ length: 20 }, (_, index) => host.open(`stream ${index}`))
  const received = streams.map((stream) => buffer(readable(stream)))
  for (const stream of streams) stream.end(bytes)
  await expect.poll(() => opened.length).toBe(20)
  const there = await Promise.all(opened.map(async ([name, stream]) => [name, await buffer(readable(stream))] as const))
  for (const [, stream] of opened) stream.end(bytes.subarray(1))

  expect(there.map(([name]) => name)).toEqual(streams.map((_, index) => `stream ${index}`))
  for (const [, came] of there) expect(bytes.equals(came)).toBe(true)
  for (const came of await Promise.all(received)) expect(bytes.subarray(1).equals(came)).toBe(true)
})

test('a stream that is not read holds up no other, and no more than its window', async () => {
  const { host, opened } = line()
  const [stuck, other] = [host.open('stuck'), host.open('other')]
  const bytes = randomBytes(4_000_000)
  let sent = false
  stuck.write(bytes, () => {
    sent = true
  })
  other.end('through')
  await expect.poll(() => opened.length).toBe(2)
  const [there, beside] = opened.map(([, stream]) => stream)

  expect((await buffer(beside!)).toString()).toBe('through')
  await wait(20)
  expect(sent).toBe(false)
  expect(there!.readableLength).toBeLessThanOrEqual(262_144)
  stuck.end()
  expect(bytes.equals(await buffer(there!))).toBe(true)
})

test('a stream that is destroyed at one end is destroyed at the other, and what was sent before has come', async () => {
  const { host, opened } = line()
  const stream = host.open('x')
  stream.write('before')
  await expect.poll(() => opened.length).toBe(1)
  const there = opened[0]![1]
  expect(String(await once(there, 'data'))).toBe('before')
  stream.destroy()
  await once(there, 'close')

  expect(there.readableEnded).toBe(false)
})

test.each([
  ['a length beyond all bounds', Buffer.from('0200000001ffffffff', 'hex')],
  ['a type that is none', Buffer.from('090000000100000000', 'hex')],
  ['a number that is ours', Buffer.from('01000000020000000161', 'hex')],
  ['credit of the wrong form', Buffer.from('010000000100000000050000000100000001ff', 'hex')],
  ['what comes after its end', Buffer.from('01000000010000000003000000010000000002000000010000000161', 'hex')],
])('ends all streams where there comes %s', async (_, bytes) => {
  const input = new PassThrough()
  const opened: Duplex[] = []
  const guest = new Multiplexer('guest', input, new PassThrough(), (_, stream) => opened.push(stream))
  const stream = guest.open('x')
  const failed = once(stream, 'error')
  input.write(bytes)

  expect((await failed)[0]).toMatchObject({ code: 'HOLDFAST_LINE_BROKEN' })
  for (const one of opened) expect(one.destroyed).toBe(true)
})

test('takes any bytes, in pieces of any size, and never throws', () => {
  for (let round = 0; round < 300; round += 1) {
    const input = new PassThrough()
    new Multiplexer('guest', input, new PassThrough(), (_, stream) => stream.resume())
    const bytes = randomBytes(200)
    // Lengths that can be: else the first piece ends it all.
    for (let at = 5; at + 4 < bytes.length; at += 9) bytes.writeUInt32BE(bytes[at]! % 12, at)
    for (let at = 0; at < bytes.length; at += 7) bytes[at] = bytes[at]! % 7
    for (let at = 0; at < bytes.length; at += 3) input.emit('data', bytes.subarray(at, at + 3))
  }
})

test('a line that ends ends its streams', async () => {
  const { one, host, opened } = line()
  const stream = host.open('x')
  await expect.poll(() => opened.length).toBe(1)
  one.destroy()

  const both = [stream, opened[0]![1]]
  await expect.poll(() => both.map(({ destroyed }) => destroyed)).toEqual([true, true])
})

/** All that comes, without destroying the stream at the end of it. */
function readable(stream: Duplex): AsyncIterable<Buffer> {
  return stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
}
