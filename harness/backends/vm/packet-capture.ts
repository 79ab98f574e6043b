import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

const LONGEST_BYTES = 67_108_864

/** A file of all frames that a switch saw, in the form that `tcpdump -r` and Wireshark read; the first 64 MiB of them. */
export class PacketCapture {
  readonly #file: WriteStream
  #bytes = 24

  constructor(path: string) {
    this.#file = createWriteStream(path, { mode: 0o600 })
    // A full disk must not end the run.
    this.#file.on('error', () => {})
    const head = Buffer.alloc(24)
    head.writeUInt32LE(0xa1b2c3d4, 0)
    head.writeUInt16LE(2, 4)
    head.writeUInt16LE(4, 6)
    head.writeUInt32LE(65_550, 16)
    head.writeUInt32LE(1, 20) // Ethernet
    this.#file.write(head)
  }

  add(frame: Uint8Array, now = Date.now()): void {
    if (this.#bytes + 16 + frame.length > LONGEST_BYTES) return
    this.#bytes += 16 + frame.length
    const head = Buffer.alloc(16)
    head.writeUInt32LE(Math.floor(now / 1_000), 0)
    head.writeUInt32LE((now % 1_000) * 1_000, 4)
    head.writeUInt32LE(frame.length, 8)
    head.writeUInt32LE(frame.length, 12)
    this.#file.write(Buffer.concat([head, frame]))
  }

  async close(): Promise<void> {
    this.#file.end()
    await finished(this.#file).catch(() => {})
  }
}
