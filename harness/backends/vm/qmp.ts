import type { Duplex } from 'node:stream'
import { forEachLine } from '../../agent/process-tree.ts'
import { HoldfastError } from '../../errors.ts'

/** A machine refused what it was told by its monitor. Code `HOLDFAST_QMP`. */
export class MonitorRefused extends HoldfastError {
  constructor(command: string, why: string) {
    super('HOLDFAST_QMP', `the machine did not do "${command}": ${why}`)
  }
}

interface Said {
  id?: number
  return?: unknown
  error?: { class: string; desc: string }
}

/** The monitor of a machine: QEMU's protocol of one JSON value a line. */
export class Monitor {
  readonly #stream: Duplex
  readonly #waiting = new Map<number, { command: string; done: () => void; failed: (cause: Error) => void }>()
  #next = 1
  #ended = false

  constructor(stream: Duplex) {
    this.#stream = stream
    stream.on('error', () => {})
    forEachLine(stream, (line) => this.#hear(JSON.parse(line) as Said))
    for (const event of ['end', 'close']) stream.once(event, () => this.#end())
    // Nothing else is taken before this was said.
    this.tell('qmp_capabilities').catch(() => {})
  }

  /** Resolves when the machine did it. @throws MonitorRefused */
  tell(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<void> {
    if (this.#ended) return Promise.reject(new MonitorRefused(command, 'it has ended'))
    const id = this.#next++
    return new Promise((done, failed) => {
      this.#waiting.set(id, { command, done, failed })
      this.#stream.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
    })
  }

  #end(): void {
    this.#ended = true
    for (const { command, failed } of this.#waiting.values()) failed(new MonitorRefused(command, 'it has ended'))
    this.#waiting.clear()
  }

  /** Greetings and events have no number. */
  #hear({ id = 0, error }: Said): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.done()
    else waiting?.failed(new MonitorRefused(waiting.command, error.desc))
  }
}
