import type { Duplex } from 'node:stream'
import { HoldfastError } from '../../errors.ts'
import { BEAT_MS, SILENT_MS } from './served.ts'

/** Somebody else leads the machine. Code `HOLDFAST_MACHINE_LED`. */
export class MachineLed extends HoldfastError {
  constructor(run: string) {
    super(
      'HOLDFAST_MACHINE_LED',
      `${run} has the lead, and one run has a machine at a time; wait until it has ended, or type: holdfast down ${run}`,
    )
  }
}

/** Nobody leads the run here, or nobody any more. Code `HOLDFAST_MACHINE_UNLED`. */
export class MachineUnled extends HoldfastError {
  constructor(run: string) {
    super('HOLDFAST_MACHINE_UNLED', `nobody has the lead of ${run} here; launch it again`)
  }
}

export interface Bounds {
  beatMs: number
  silentMs: number
}

/** Speaks now and then on a stream, and ends it when the other end has been silent for too long. Every byte of it is taken for a sign of life. */
export function keepAlive(stream: Duplex, { beatMs = BEAT_MS, silentMs = SILENT_MS }: Partial<Bounds> = {}): void {
  const beat = setInterval(() => stream.writable && stream.write('\n'), beatMs)
  const silence = setTimeout(() => stream.destroy(), silentMs)
  for (const timer of [beat, silence]) timer.unref()
  stream.on('data', () => silence.refresh())
  stream.once('close', () => {
    clearInterval(beat)
    clearTimeout(silence)
  })
}

/** Who leads a machine: one run at a time. What is left of one that is gone is removed before the next one has its turn. */
export class Lead {
  readonly #remove: (run: string) => Promise<unknown>
  #led: { run: string; stream: Duplex; over: Promise<void>; end: () => void } | undefined

  constructor(remove: (run: string) => Promise<unknown>) {
    this.#remove = remove
  }

  /** Gives it to who is at the other end of a stream, until that is closed or the run was swept. @throws MachineLed */
  async give(run: string, stream: Duplex): Promise<void> {
    // One who is just going is waited for: what he led must not be in the way.
    while (this.#led?.stream.destroyed) await this.#led.over
    if (this.#led !== undefined) throw new MachineLed(this.#led.run)
    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    const led = { run, stream, over, end }
    this.#led = led
    const goes = () => {
      if (this.#led === led)
        void this.#remove(run)
          .catch(() => {})
          .then(() => this.ended(run))
    }
    if (stream.destroyed) goes()
    else stream.once('close', goes)
  }

  /** @throws MachineUnled, or MachineLed where another one is led. */
  demand(run: string): void {
    if (this.#led?.run === run) return
    throw this.#led === undefined ? new MachineUnled(run) : new MachineLed(this.#led.run)
  }

  /** Nothing is left of a run. */
  ended(run: string): void {
    if (this.#led?.run !== run) return
    const { end } = this.#led
    this.#led = undefined
    end()
  }
}
