import type { ServerResponse } from 'node:http'
import type { EventSession } from './route.ts'

/** Shorter than what proxies wait for a word (nginx: 60 s, or 75 s as we configure it). */
const WORD_EVERY_MS = 15_000
/** A caller that reads slower than this lasts is let go: events of others must not pile up here. */
const MOST_WAITING_BYTES = 256 * 1024

/** Server-Sent Events (HTML, section 9.2) over one response, whose head was sent. */
export class EventStream implements EventSession {
  readonly #response: ServerResponse
  readonly #words: NodeJS.Timeout
  readonly #done: (() => void)[] = []
  #isOver = false

  constructor(response: ServerResponse) {
    this.#response = response
    this.#words = setInterval(() => this.#write(':\n\n'), WORD_EVERY_MS).unref()
    response.once('close', () => this.#end())
    if (response.destroyed) this.#end()
  }

  send(event: string, data: unknown, id?: string): void {
    this.#write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  onEnd(done: () => void): void {
    if (this.#isOver) done()
    else this.#done.push(done)
  }

  end(reason: string): void {
    if (this.#isOver) return
    this.send('end', { reason })
    this.#response.end()
    this.#end()
    // A caller that does not read its end is not waited for.
    setTimeout(() => this.#response.destroy(), 1_000).unref()
  }

  #write(text: string): void {
    if (this.#isOver) return
    if (this.#response.writableLength > MOST_WAITING_BYTES) {
      this.#response.destroy()
      this.#end()
      return
    }
    this.#response.write(text)
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#words)
    for (const done of this.#done.splice(0)) done()
  }
}
