/** An event of a stream, as it was sent (WHATWG HTML, section 9.2.6). */
export interface StreamEvent {
  readonly event: string
  readonly data: string
}

/** Longer than any event of a node: more is of somebody else. */
const LONGEST_EVENT = 1024 * 1024

/**
 * The events of a stream of bytes, in order. What comes after the last blank line is none yet. @throws RangeError for an event that has no end
 */
export async function* eventsIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder('utf-8')
  const event = new EventBuilder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    // A CR at the end may be the first half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop()!
    if (rest.length + event.length > LONGEST_EVENT) throw new RangeError('an event has no end')
    for (const line of lines) {
      const done = event.take(line)
      if (done !== undefined) yield done
    }
  }
}

class EventBuilder {
  #event = ''
  #data: string[] = []
  length = 0

  /** An event, once a blank line ends it. */
  take(line: string): StreamEvent | undefined {
    if (line === '') return this.#end()
    this.length += line.length
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
    if (field === 'event') this.#event = value
    if (field === 'data') this.#data.push(value)
    return undefined
  }

  #end(): StreamEvent | undefined {
    const [event, data] = [this.#event, this.#data]
    this.#event = ''
    this.#data = []
    this.length = 0
    return data.length === 0 ? undefined : { event: event === '' ? 'message' : event, data: data.join('\n') }
  }
}
