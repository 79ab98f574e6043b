import { Choices } from '../random.ts'
import { control } from './control.ts'
import { type FuzzGround, openGround } from './ground.ts'
import { type Attempt, type Lane, Lines, lanesOf } from './lanes.ts'
import type { Outcome } from './line.ts'
import { type Toll, Watch } from './watch.ts'

export interface FuzzOptions {
  /** How many broken inputs are tried. */
  readonly count: number
  /** The same seed makes the same choices; tokens and certificates of the run itself are new each time. */
  readonly seed: number
  /** Only this one of the attempts, to look at it alone. */
  readonly only?: number
  readonly report?: (line: string) => void
}

export interface FuzzResult {
  readonly seed: number
  readonly count: number
  readonly seconds: number
  /** How often each lane ended how. */
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly controls: number
  readonly tolls: readonly Toll[]
  /** What must not be: an answer of 5xx that nothing is to blame for, a forgery that was accepted, a service that failed. */
  readonly findings: readonly string[]
}

const WORKERS = 16
const CONTROL_EVERY = 500
/** The share of a run in which a service takes the memory that such a load needs; what is compared comes after it. */
const WARM_UP = 0.2
/**
 * What the last third of the rest may need, of what the first third of it did: 2 KiB lost with each of 100 000 attempts is more. A bare
 * https server of Node needs some 6 KiB more with each of its first 20 000 connections, and then no more.
 */
const FLAT = 1.4
/** Shorter runs end while the heaps still grow to what the load needs, which takes some 30 000 attempts. */
const FLAT_FROM = 80_000
/** A peer may have only so many sessions that it has not opened; on a machine that is overloaded the auth server may answer too late. */
const DOCUMENTED = new Set([
  'peer.admit session_limit',
  'token.active auth_unavailable',
  'token.signature jwks_unavailable',
])
const MOST_LOG_BYTES_EACH = 1_024
const LONGEST_LINE = 8_192

/** Breaks tokens, certificates, frames and requests in the ways that `seed` chooses, against the real services of one site. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  await using ground = await openGround()
  await control(ground)
  const began = performance.now()
  const run = new Run(ground, options)
  if (options.only === undefined) await run.all()
  else await run.one(options.only)
  await control(ground).catch((failure: Error) => run.findings.push(`at the end: ${failure.message}`))
  // Awaited here: the logs that it reads go with the ground.
  return await run.result(Math.round((performance.now() - began) / 1000))
}

class Run {
  readonly findings: string[] = []
  readonly #ground: FuzzGround
  readonly #options: FuzzOptions
  readonly #lanes: readonly Lane[]
  readonly #outcomes: Record<string, Record<string, number>> = {}
  #controls = 0
  #watch: Watch | undefined

  constructor(ground: FuzzGround, options: FuzzOptions) {
    this.#ground = ground
    this.#options = options
    this.#lanes = lanesOf(ground)
  }

  async all(): Promise<void> {
    const { count } = this.#options
    const watch = await this.#watched()
    let next = 0
    const worker = async (): Promise<void> => {
      using lines = new Lines(this.#ground)
      while (next < count && this.findings.length < 20) {
        const index = next++
        if (index === Math.floor(count * WARM_UP)) watch.warmedUp()
        if (index % CONTROL_EVERY === 0) await this.#control(index)
        await this.#attempt(index, lines)
      }
    }
    await Promise.all(Array.from({ length: WORKERS }, worker))
  }

  async one(index: number): Promise<void> {
    using lines = new Lines(this.#ground)
    await this.#watched()
    const { name, outcome } = await this.#attempt(index, lines)
    this.#options.report?.(`${name}: ${JSON.stringify(outcome)}`)
  }

  async #watched(): Promise<Watch> {
    this.#watch = await Watch.begin(this.#ground.site)
    return this.#watch
  }

  async result(seconds: number): Promise<FuzzResult> {
    const { seed, count } = this.#options
    this.findings.push(...(this.#watch?.troubles() ?? []))
    const tolls = (await this.#watch?.end()) ?? []
    const answered = Object.values(this.#outcomes).reduce((sum, counts) => sum + (counts['503'] ?? 0), 0)
    const recorded = tolls.reduce((sum, { failures }) => sum + failures.length, 0)
    if (answered > recorded) this.findings.push(`${answered} answers of 503, and ${recorded} records of any`)
    for (const toll of tolls) this.findings.push(...tooMuch(toll, count))
    const { findings } = this
    return { seed, count, seconds, outcomes: this.#outcomes, controls: this.#controls, tolls, findings }
  }

  async #attempt(index: number, lines: Lines): Promise<{ name: string } & Partial<Attempt>> {
    const choices = new Choices(this.#options.seed, index)
    const lane = chosen(this.#lanes, choices)
    try {
      const attempt = await lane.attempt(choices, lines)
      const { [lane.name]: counts = {} } = this.#outcomes
      this.#outcomes[lane.name] = counts
      const label = labelOf(attempt.outcome)
      counts[label] = (counts[label] ?? 0) + 1
      const wrong = wrongWith(attempt)
      if (wrong !== undefined) this.findings.push(`attempt ${index}, ${lane.name}: ${wrong}`)
      return { name: lane.name, ...attempt }
    } catch (failure) {
      this.findings.push(`attempt ${index}, ${lane.name}: ${(failure as Error).message}`)
      return { name: lane.name }
    }
  }

  async #control(index: number): Promise<void> {
    await control(this.#ground).then(
      () => {
        this.#controls += 1
      },
      (failure: Error) => this.findings.push(`control before attempt ${index}: ${failure.message}`),
    )
    if (index % 10_000 === 0) this.#options.report?.(`${index} of ${this.#options.count}`)
  }
}

function chosen(lanes: readonly Lane[], choices: Choices): Lane {
  let place = choices.below(lanes.reduce((sum, { weight }) => sum + weight, 0))
  return lanes.find(({ weight }) => {
    place -= weight
    return place < 0
  }) as Lane
}

function labelOf(outcome: Outcome): string {
  return typeof outcome === 'string' ? outcome : String(outcome.status)
}

/** A 503 must have a reason of those below in its record; nothing else of 5xx has one. */
function wrongWith({ outcome, isForged }: Attempt): string | undefined {
  if (typeof outcome === 'string') return undefined
  if (outcome.status >= 500 && outcome.status !== 503) return `answered ${outcome.status} ${outcome.body.slice(0, 200)}`
  return isForged && outcome.status < 400 ? `a forgery was answered ${outcome.status}` : undefined
}

function tooMuch({ service, firstMiB, lastMiB, logBytes, longestLine, failures }: Toll, count: number): string[] {
  const found = [...new Set(failures)]
    .filter((failure) => !DOCUMENTED.has(failure))
    .map((failure) => `${service} recorded a failure: ${failure}`)
  if (count >= FLAT_FROM && lastMiB > firstMiB * FLAT) {
    found.push(`${service} needs ${lastMiB.toFixed(0)} MiB at the end, and ${firstMiB.toFixed(0)} MiB at the beginning`)
  }
  if (logBytes > count * MOST_LOG_BYTES_EACH) found.push(`${service} wrote ${logBytes} bytes of decisions`)
  if (longestLine > LONGEST_LINE) found.push(`${service} wrote a decision of ${longestLine} bytes`)
  return found
}
