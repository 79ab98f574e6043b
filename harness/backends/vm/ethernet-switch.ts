import type { Duplex } from 'node:stream'
import type { Impairment } from '../backend.ts'
import type { PacketCapture } from './packet-capture.ts'

/** What an emulated network card sends before each frame: its length, big-endian. */
const HEAD = 4
const SHORTEST_FRAME = 14
/** A card without offloading sends 1 514 bytes; one that leaves segmenting to others up to this. */
const LONGEST_FRAME = 65_550
/** A port that takes nothing any more loses what comes for it, as on any switch. */
const MOST_HELD = 4_194_304

interface Port {
  readonly node: string
  readonly stream: Duplex
}

/**
 * One network of a run: an Ethernet switch to which the cards of machines are plugged, each by a stream of frames. It learns who is where,
 * and can cut, delay and lose what passes between two nodes; nodes do not see that it does.
 */
export class EthernetSwitch {
  readonly #ports = new Set<Port>()
  /** By hardware address. */
  readonly #learnt = new Map<string, Port>()
  readonly #cut = new Set<string>()
  readonly #impaired = new Map<string, { readonly delayMs: number; isLost(): boolean }>()
  readonly #late = new Set<NodeJS.Timeout>()
  readonly #capture: PacketCapture | undefined

  constructor(capture?: PacketCapture) {
    this.#capture = capture
  }

  /** Plugs a card of a node in. What it sends is no frame: its stream is destroyed, and others go on. */
  attach(node: string, stream: Duplex): void {
    const port = { node, stream }
    this.#ports.add(port)
    const unplug = () => {
      this.#ports.delete(port)
      for (const [address, at] of this.#learnt) if (at === port) this.#learnt.delete(address)
    }
    stream.on('error', () => {})
    stream.once('close', unplug)
    stream.once('end', () => stream.end())
    let rest: Buffer = Buffer.alloc(0)
    stream.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      while (rest.length >= HEAD) {
        const length = rest.readUInt32BE(0)
        if (length < SHORTEST_FRAME || length > LONGEST_FRAME) {
          stream.destroy()
          return
        }
        if (rest.length < HEAD + length) break
        this.#pass(port, rest.subarray(0, HEAD + length))
        rest = rest.subarray(HEAD + length)
      }
    })
  }

  /** Nothing passes between two nodes any more, either way. */
  cut(a: string, b: string): void {
    this.#cut.add(pair(a, b))
  }

  impair(a: string, b: string, { delayMs, loss, seed }: Required<Impairment>): void {
    const random = randomFrom(seed)
    this.#impaired.set(pair(a, b), { delayMs, isLost: () => loss > 0 && random() < loss })
  }

  /** Ends cuts and impairments. What was lost stays lost: whoever sent it sends it again, or gives up. */
  heal(): void {
    this.#cut.clear()
    this.#impaired.clear()
  }

  /** Unplugs all cards. */
  async close(): Promise<void> {
    for (const { stream } of this.#ports) stream.destroy()
    for (const timer of this.#late) clearTimeout(timer)
    await this.#capture?.close()
  }

  #pass(from: Port, framed: Buffer): void {
    const [target, source] = [framed.toString('hex', HEAD, HEAD + 6), framed.toString('hex', HEAD + 6, HEAD + 12)]
    this.#capture?.add(framed.subarray(HEAD))
    if (!isGroup(framed[HEAD + 6]!)) this.#learnt.set(source, from)
    const known = isGroup(framed[HEAD]!) ? undefined : this.#learnt.get(target)
    for (const port of known === undefined ? this.#ports : [known]) if (port !== from) this.#send(from, port, framed)
  }

  #send(from: Port, { node, stream }: Port, framed: Buffer): void {
    const between = pair(from.node, node)
    if (this.#cut.has(between)) return
    const impaired = this.#impaired.get(between)
    // Who asks for a hardware address gives up after three frames, and every program hears that there is no such host.
    if (!isArp(framed) && impaired?.isLost()) return
    const delayMs = impaired?.delayMs ?? 0
    const write = () => {
      if (stream.writable && stream.writableLength < MOST_HELD) stream.write(framed)
    }
    if (delayMs === 0) {
      write()
      return
    }
    const timer = setTimeout(() => {
      this.#late.delete(timer)
      // What was under way when the two were cut off from each other does not arrive.
      if (!this.#cut.has(between)) write()
    }, delayMs)
    this.#late.add(timer)
  }
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function pair(a: string, b: string): string {
  return [a, b].sort().join('\0')
}

/** Whether a frame asks or tells which hardware address somebody has. */
function isArp(framed: Buffer): boolean {
  return framed.readUInt16BE(HEAD + 12) === 0x0806
}

/** Of the first byte of a hardware address: whether it is that of several, or of all. */
function isGroup(byte: number): boolean {
  return (byte & 1) === 1
}
