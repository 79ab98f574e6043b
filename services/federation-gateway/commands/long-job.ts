import { SetupError } from '../../shared/setup-error.ts'

/** As shells count a program that SIGINT has ended. */
const EXIT_INTERRUPTED = 130

/** It was told to end, and did so between two portions: what was done is done. */
export class Interrupted extends SetupError {
  override readonly exitCode = EXIT_INTERRUPTED

  constructor(what: string) {
    super('interrupted', `${what}; what was done stays done: run this again, and it goes on from there`)
  }
}

export interface LongJob {
  /** `keys rotate` */
  readonly name: string
  /** Of what it counts: `keys`. */
  readonly unit: string
  /** Undefined: nobody knows how many there are. */
  readonly total?: number
}

/** Where progress is told. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface LongJobOptions {
  readonly stream?: ProgressStream
  /** Milliseconds of any beginning. */
  readonly now?: () => number
  readonly signals?: Pick<NodeJS.Process, 'on' | 'off'>
}

const ENDING = ['SIGINT', 'SIGTERM'] as const
/** On a terminal a line is written over; elsewhere there is a new one. */
const EVERY_MS = { terminal: 100, elsewhere: 1_000 }

/**
 * Does what takes long, and tells on stderr how far it is. `work` calls `done` after each portion that is stored; there it ends when SIGINT
 * or SIGTERM came meanwhile. Whoever asks a second time does not wait for the portion. @throws Interrupted
 */
export async function longJob<Result>(
  job: LongJob,
  work: (done: (count: number) => void) => Promise<Result>,
  { stream = process.stderr, now = () => performance.now(), signals = process }: LongJobOptions = {},
): Promise<Result> {
  const progress = new Progress(job, stream, now)
  let isToEnd = false
  const onSignal = (): void => {
    if (isToEnd) process.exit(EXIT_INTERRUPTED)
    isToEnd = true
    progress.say('ends after this portion')
  }
  for (const signal of ENDING) signals.on(signal, onSignal)
  try {
    const result = await work((count) => {
      progress.tell(count)
      if (isToEnd) throw new Interrupted(`${job.name} ended after ${progress.text(count)}`)
    })
    progress.end()
    return result
  } finally {
    for (const signal of ENDING) signals.off(signal, onSignal)
    progress.clear()
  }
}

class Progress {
  readonly #job: LongJob
  readonly #stream: ProgressStream
  readonly #now: () => number
  readonly #startedAt: number
  #toldAt: number
  #last: number | undefined
  #isShown = false

  constructor(job: LongJob, stream: ProgressStream, now: () => number) {
    this.#job = job
    this.#stream = stream
    this.#now = now
    this.#startedAt = now()
    // What is over within a second needs no words.
    this.#toldAt = this.#startedAt
  }

  text(count: number): string {
    const { unit, total } = this.#job
    if (total === undefined) return `${count} ${unit}`
    // More may have come meanwhile.
    const percent = total === 0 ? 100 : Math.min(100, Math.floor((count / total) * 100))
    return `${count} of ${Math.max(count, total)} ${unit} (${percent} %)`
  }

  tell(count: number): void {
    this.#last = count
    const pause = this.#stream.isTTY ? EVERY_MS.terminal : EVERY_MS.elsewhere
    if (this.#now() - this.#toldAt < pause) return
    this.#toldAt = this.#now()
    this.say(this.text(count))
  }

  say(text: string): void {
    const seconds = Math.round((this.#now() - this.#startedAt) / 1000)
    const line = `${this.#job.name}: ${text}, ${seconds} s`
    if (!this.#stream.isTTY) {
      this.#stream.write(`${line}\n`)
      return
    }
    this.clear()
    this.#stream.write(line.slice(0, (this.#stream.columns ?? 80) - 1))
    this.#isShown = true
  }

  /** The last word, where there was one before. */
  end(): void {
    if (this.#toldAt > this.#startedAt && this.#last !== undefined && !this.#stream.isTTY)
      this.say(this.text(this.#last))
  }

  clear(): void {
    if (this.#isShown) this.#stream.write('\r\u001b[K')
    this.#isShown = false
  }
}
