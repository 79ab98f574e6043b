import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Ending } from '../../agent/seat-server.ts'
import { HoldfastError } from '../../errors.ts'
import { Multiplexer } from './multiplexer.ts'

/**
 * What a machine does itself, beneath its agent; each is the name of a stream, with a text: `clock` has it ask for the time and set its clock,
 * `hosts` is its hosts file from now on.
 */
export type GuestRequest = 'clock' | 'hosts'

const WITHIN_MS = 60_000

/** What a machine is answered, or tells. */
export interface LineAnswers {
  /** What time it is there, in ms since 1970. */
  now(): number
  tagged(tag: string): void
}

/** The host's end of what goes over the line to one machine (`guest.ts` has the other). */
export class MachineLine {
  readonly #line: Multiplexer

  /** `tagged` hears how the machine's Node calls what it has made of modules. */
  constructor(stream: Duplex, { now, tagged }: LineAnswers) {
    this.#line = new Multiplexer('host', stream, stream, (name, asking) => {
      if (name === 'tag') return void text(asking).then(tagged, () => {})
      if (name !== 'time') return void asking.destroy()
      // Answered at once: it is counted how long that took.
      asking.on('data', () => asking.write(`${now()}\n`))
      asking.once('end', () => asking.end())
    })
  }

  /** The line to the agent: `protocol.ts`. */
  agent(): Duplex {
    return this.#line.open('agent')
  }

  /** Resolves when it is done. A machine that is frozen never answers. */
  async ask(request: GuestRequest, content = ''): Promise<void> {
    const stream = this.#line.open(request)
    const silent = new HoldfastError(
      'HOLDFAST_MACHINE_SILENT',
      `a machine did not answer "${request}" within ${WITHIN_MS / 1_000} s; is it frozen?`,
    )
    const late = setTimeout(() => stream.destroy(silent), WITHIN_MS)
    stream.end(content)
    const failure = await text(stream).finally(() => clearTimeout(late))
    if (failure !== '') throw new HoldfastError('HOLDFAST_AGENT_FAILED', failure)
  }

  /** A stream on which a program is run there: `entry.ts`. */
  entry(): Ending {
    return this.#line.open('entry')
  }

  /** A stream to the seat of the machine's agent. */
  seat(): Ending {
    return this.#line.open('seat')
  }
}
