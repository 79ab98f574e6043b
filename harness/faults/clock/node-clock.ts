import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GO_CLOCK_VARIABLE } from '../../toolchain/overlay.ts'
import { demandOffset, faketimeEnvironment, faketimeOffset } from './faketime.ts'

/** The clock of one node: so many seconds ahead of the machine that the run is on. */
export interface MovableClock {
  readonly offsetSeconds: number
  /** Sets the offset; programs follow with their next look at the clock. @throws {InvalidShift} */
  set(seconds: number): void | Promise<void>
  /** What programs and agents need in their environment to follow it. */
  environment(libfaketime: string | undefined): Record<string, string>
}

/** The clock of a node that has one of its own, which its backend sets. */
export class OwnClock implements MovableClock {
  readonly #setClock: (seconds: number) => Promise<void>
  #seconds = 0

  constructor(setClock: (seconds: number) => Promise<void>) {
    this.#setClock = setClock
  }

  get offsetSeconds(): number {
    return this.#seconds
  }

  async set(seconds: number): Promise<void> {
    demandOffset(seconds)
    await this.#setClock(seconds)
    this.#seconds = seconds
  }

  environment(): Record<string, string> {
    return {}
  }
}

/**
 * The clock of one node, which its programs follow while they run: an offset from the machine's clock. It lies in two files, a
 * line for libfaketime (programs on libc), and 8 bytes for programs that were built with the overlay of Go's `time`.
 */
export class NodeClock implements MovableClock {
  readonly #text: string
  readonly #bytes: string
  #seconds = 0

  /** Makes the files. `folder` belongs to this clock alone. Programs may run as other users, and read them too. */
  constructor(folder: string, seconds = 0) {
    mkdirSync(folder, { recursive: true })
    chmodSync(folder, 0o711)
    this.#text = join(folder, 'faketime')
    this.#bytes = join(folder, 'offset')
    this.set(seconds)
  }

  /** Seconds that this clock is ahead of the machine's; negative where it is behind. */
  get offsetSeconds(): number {
    return this.#seconds
  }

  set(seconds: number): void {
    const offset = faketimeOffset(seconds)
    // A reader must find the old line or the new one, never an empty file.
    writeFileSync(`${this.#text}.new`, `${offset}\n`)
    chmodSync(`${this.#text}.new`, 0o644)
    renameSync(`${this.#text}.new`, this.#text)
    // This one is mapped into memory, so it has to stay the same file, of the same length.
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(seconds)).buffer)
    writeFileSync(this.#bytes, bytes, { flag: existsSync(this.#bytes) ? 'r+' : 'w' })
    chmodSync(this.#bytes, 0o644)
    this.#seconds = seconds
  }

  /** `libfaketime`: path of the library; nothing where there is none. */
  environment(libfaketime: string | undefined): Record<string, string> {
    if (libfaketime === undefined) return {}
    return {
      ...faketimeEnvironment(libfaketime),
      FAKETIME_TIMESTAMP_FILE: this.#text,
      [GO_CLOCK_VARIABLE]: this.#bytes,
    }
  }
}
