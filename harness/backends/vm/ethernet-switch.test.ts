import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { EthernetSwitch } from './ethernet-switch.ts'
import { PacketCapture } from './packet-capture.ts'

const EVERYBODY = 'ffffffffffff'
const macOf = (node: string) => `525400${Buffer.from(node.padEnd(3, '.')).toString('hex')}`

const [IPV4, ARP] = ['0800', '0806']

function frame(to: string, from: string, text: string, type = IPV4): Buffer {
  return Buffer.concat([Buffer.from(`${to}${from}${type}`, 'hex'), Buffer.from(text)])
}

function framed(bytes: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes.length)
  return Buffer.concat([head, bytes])
}

/** A machine's card: what it hears, as texts, and how it sends. */
function plug(net: EthernetSwitch, node: string) {
  const [card, port] = duplexPair()
  net.attach(node, port)
  const heard: string[] = []
  let rest = Buffer.alloc(0)
  card.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      heard.push(rest.toString('utf8', 4 + 14, 4 + rest.readUInt32BE()))
      rest = rest.subarray(4 + rest.readUInt32BE())
    }
  })
  const send = (to: string, text: string, type?: string) => void card.write(framed(frame(to, macOf(node), text, type)))
  return { card: card as Duplex, heard, send }
}

/** Long enough for all that was sent: it passes within some turns of the loop, however slow the machine is. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await nextTurn()
}

test('sends what is for everybody to all others, and what is for one whom it has heard to him alone', async () => {
  const net = new EthernetSwitch()
  const [a, b, c] = ['a', 'b', 'c'].map((node) => plug(net, node))
  const said: [typeof a, string, string][] = [
    [a, EVERYBODY, 'who is b'],
    [b, macOf('a'), 'I am'],
    [a, macOf('b'), 'hello b'],
    [a, macOf('x'), 'is there'],
  ]
  for (const [machine, to, text] of said) {
    machine!.send(to, text)
    await settled()
  }

  expect([a!.heard, b!.heard, c!.heard]).toEqual([
    ['I am'],
    ['who is b', 'hello b', 'is there'],
    ['who is b', 'is there'],
  ])
})

test('puts frames together that come in pieces of any size, and takes many at once', async () => {
  const net = new EthernetSwitch()
  const [a, b] = [plug(net, 'a'), plug(net, 'b')]
  const texts = Array.from({ length: 50 }, (_, index) => `${index} ${'x'.repeat(index * 30)}`)
  const bytes = Buffer.concat(texts.map((text) => framed(frame(EVERYBODY, macOf('a'), text))))
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 97 || 1)
    a.card.write(bytes.subarray(at, at + size))
  await expect.poll(() => b.heard.length).toBe(50)

  expect(b.heard).toEqual(texts)
})

test('lets nothing pass between two who are cut off from each other, until it is healed', async () => {
  const net = new EthernetSwitch()
  const [a, b, c] = ['a', 'b', 'c'].map((node) => plug(net, node))
  net.cut('b', 'a')
  a!.send(EVERYBODY, 'one')
  b!.send(EVERYBODY, 'two')
  await settled()
  net.heal()
  a!.send(EVERYBODY, 'three')
  await settled()

  expect([a!.heard, b!.heard, c!.heard]).toEqual([[], ['three'], ['one', 'two', 'three']])
})

test('delays what passes between two, and what is under way when they are cut does not arrive', async () => {
  const net = new EthernetSwitch()
  const [a, b] = [plug(net, 'a'), plug(net, 'b')]
  net.impair('a', 'b', { delayMs: 50, loss: 0, seed: 1 })
  const began = performance.now()
  a.send(EVERYBODY, 'late')
  await expect.poll(() => b.heard, { interval: 1 }).toEqual(['late'])
  expect(performance.now() - began).toBeGreaterThanOrEqual(49)
  // Late enough to be still under way, on a busy machine, too.
  net.impair('a', 'b', { delayMs: 500, loss: 0, seed: 1 })
  a.send(EVERYBODY, 'lost')
  await settled()
  net.cut('a', 'b')
  await wait(600)

  expect(b.heard).toEqual(['late'])
})

test('loses about the share that it is told to, and the same frames with the same seed', async () => {
  const heardWith = async (seed: number) => {
    const net = new EthernetSwitch()
    const [a, b] = [plug(net, 'a'), plug(net, 'b')]
    net.impair('a', 'b', { delayMs: 0, loss: 0.25, seed })
    for (let count = 0; count < 400; count += 1) a.send(EVERYBODY, String(count))
    await settled()
    return b.heard
  }
  const heard = await heardWith(7)

  expect(heard.length).toBeGreaterThan(260)
  expect(heard.length).toBeLessThan(340)
  expect(await heardWith(7)).toEqual(heard)
  expect(await heardWith(8)).not.toEqual(heard)
})

test('loses nothing by which machines find each other’s hardware addresses, but where they are cut off', async () => {
  const net = new EthernetSwitch()
  const [a, b] = [plug(net, 'a'), plug(net, 'b')]
  net.impair('a', 'b', { delayMs: 0, loss: 0.999999, seed: 1 })
  a.send(EVERYBODY, 'who is b', ARP)
  a.send(EVERYBODY, 'lost')
  await settled()
  net.cut('a', 'b')
  a.send(EVERYBODY, 'who is b now', ARP)
  await settled()

  expect(b.heard).toEqual(['who is b'])
})

test.each([0, 13, 65_551, 0xffffffff])(
  'unplugs a card that sends a frame of %d bytes, and no other',
  async (length) => {
    const net = new EthernetSwitch()
    const [a, b, c] = ['a', 'b', 'c'].map((node) => plug(net, node))
    const head = Buffer.alloc(4)
    head.writeUInt32BE(length)
    a!.card.write(Buffer.concat([head, randomBytes(20)]))
    await settled()
    b!.send(EVERYBODY, 'still here')
    await settled()

    expect([a!.heard, c!.heard]).toEqual([[], ['still here']])
  },
)

test('takes any bytes from a card, and never throws', async () => {
  const net = new EthernetSwitch()
  const b = plug(net, 'b')
  for (let round = 0; round < 200; round += 1) {
    const { card } = plug(net, 'a')
    const bytes = randomBytes(100)
    // Lengths that can be: else the first frame unplugs it.
    if (round % 2 === 0) for (let at = 0; at + 4 < 100; at += 20) bytes.writeUInt32BE(16, at)
    card.write(bytes)
    await settled()
    card.destroy()
  }
  plug(net, 'c').send(EVERYBODY, 'still here')
  await settled()

  expect(b.heard.at(-1)).toBe('still here')
})

test('loses what a card does not take, and holds no more than 4 MiB of it', async () => {
  const net = new EthernetSwitch()
  const [stuck, port] = duplexPair()
  net.attach('stuck', port)
  const a = plug(net, 'a')
  for (let count = 0; count < 6_000; count += 1) a.send(EVERYBODY, 'x'.repeat(1_000))
  await expect.poll(() => port.writableLength).toBeGreaterThan(4_000_000)
  await wait(50)

  expect(port.writableLength).toBeLessThan(4_194_304 + 2_000)
  expect(stuck.destroyed).toBe(false)
})

test('writes what passed down in a file that packet readers take, 0600', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-capture-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'net.pcap')
  const net = new EthernetSwitch(new PacketCapture(path))
  const [a, b] = [plug(net, 'a'), plug(net, 'b')]
  a.send(EVERYBODY, 'seen')
  b.send(macOf('a'), 'too')
  await settled()
  await net.close()
  const bytes = await readFile(path)

  expect(bytes.toString('hex', 0, 8)).toBe('d4c3b2a102000400')
  expect([bytes.readUInt32LE(20), bytes.readUInt32LE(24 + 8)]).toEqual([1, 18])
  expect(bytes.subarray(24 + 16, 24 + 16 + 18)).toEqual(frame(EVERYBODY, macOf('a'), 'seen'))
  expect(bytes.length).toBe(24 + 16 + 18 + 16 + 17)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})
