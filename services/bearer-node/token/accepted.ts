import { createHash, timingSafeEqual } from 'node:crypto'
import { atWallTime, type Wait } from '../../shared/wall-timer.ts'
import { refOf } from './ref.ts'

/** `ended`: it was accepted here within the last 24 hours. */
export type Standing = 'accepted' | 'unknown' | 'ended'

/** The tokens that a node sends and accepts. They change while it runs: ask each time. */
export interface AcceptedTokens {
  /** The one that is sent. */
  current(): string
  refOf(token: string): string
  /** `value`: bytes as they were received. All that is accepted is compared, in constant time and to the end. */
  judge(value: Buffer): Standing
  /** What a session keeps of its token, to ask again by `standing`: its SHA-256, not itself. */
  digest(value: Buffer): Buffer
  standing(digest: Buffer): Standing
  /** The ref of an accepted token, by its digest. */
  refOfDigest(digest: Buffer): string | undefined
  /** What is accepted now; `until` in ms since 1970, where it ends by itself. */
  accepts(): readonly { readonly ref: string; readonly until: number | undefined }[]
  /** Called after a value came or left, or its time was over. Answers how to hear no more. */
  onChange(listener: () => void): () => void
}

/** What files say: the one that is sent, which is accepted without end, and others that are accepted for a while. */
export interface TokenValues {
  readonly sends: string
  readonly also: readonly { readonly token: string; readonly until: number }[]
}

export interface TokenClock {
  /** Ms since 1970. */
  wallMs(): number
  /** Acts at a time of that clock. Default: `atWallTime`, for the clock of the machine. */
  at?(time: number, act: () => void): Wait
}

interface Accepted {
  readonly digest: Buffer
  readonly ref: string
  readonly until: number | undefined
}

interface Ended {
  readonly digest: Buffer
  readonly at: number
}

const REMEMBERED_MS = 24 * 3_600_000
/** Each is compared with every token that comes: more than a few would be felt. */
const MOST_ENDED = 16

/** @implements AcceptedTokens */
export class TokenSet implements AcceptedTokens {
  readonly #clock: TokenClock
  readonly #listeners = new Set<() => void>()
  #sends: string
  #accepted: readonly Accepted[]
  #ended: readonly Ended[] = []
  #wait: Wait | undefined

  constructor(values: TokenValues, clock: TokenClock = { wallMs: Date.now }) {
    this.#clock = clock
    this.#sends = values.sends
    this.#accepted = acceptedOf(values)
    this.#settle()
  }

  refOf = refOf

  current(): string {
    return this.#sends
  }

  judge(value: Buffer): Standing {
    return this.standing(this.digest(value))
  }

  digest(value: Buffer): Buffer {
    return createHash('sha256').update(value).digest()
  }

  standing(digest: Buffer): Standing {
    const now = this.#clock.wallMs()
    let standing: Standing = 'unknown'
    for (const { digest: ended, at } of this.#ended) {
      if (timingSafeEqual(ended, digest) && at + REMEMBERED_MS > now) standing = 'ended'
    }
    // To the end, whatever is found: how long it takes must not tell which one it was.
    for (const { digest: known, until } of this.#accepted) {
      const isSame = timingSafeEqual(known, digest)
      if (isSame) standing = standingAt(now, until)
    }
    return standing
  }

  refOfDigest(digest: Buffer): string | undefined {
    return this.#accepted.find((one) => timingSafeEqual(one.digest, digest))?.ref
  }

  accepts(): { ref: string; until: number | undefined }[] {
    const now = this.#clock.wallMs()
    return this.#accepted
      .filter(({ until }) => standingAt(now, until) === 'accepted')
      .map(({ ref, until }) => ({ ref, until }))
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Puts other values in force, all at once. */
  replace(values: TokenValues): void {
    const before = this.#accepted
    this.#sends = values.sends
    this.#accepted = acceptedOf(values)
    const left = before.filter((one) => !this.#accepted.some(({ digest }) => digest.equals(one.digest)))
    this.#end(left.map(({ digest }) => digest))
    this.#settle()
    this.#tell()
  }

  /** Waits for nothing more. */
  close(): void {
    this.#wait?.close()
    this.#listeners.clear()
  }

  #end(digests: readonly Buffer[]): void {
    const at = this.#clock.wallMs()
    this.#ended = [
      ...digests.map((digest) => ({ digest, at })),
      ...this.#ended.filter((one) => !digests.some((digest) => digest.equals(one.digest))),
    ].slice(0, MOST_ENDED)
  }

  /** Waits for the next value whose time is over; those whose time has been over stay only as what has ended. */
  #settle(): void {
    this.#wait?.close()
    this.#wait = undefined
    const now = this.#clock.wallMs()
    const over = this.#accepted.filter(({ until }) => standingAt(now, until) === 'ended')
    this.#accepted = this.#accepted.filter((one) => !over.includes(one))
    const known = over.map(({ digest, until }) => ({ digest, at: until! }))
    this.#ended = [...known, ...this.#ended]
      .filter(({ digest, at }) => at + REMEMBERED_MS > now && !this.#accepted.some((one) => one.digest.equals(digest)))
      .slice(0, MOST_ENDED)
    const next = Math.min(...this.#accepted.map(({ until }) => until ?? Number.POSITIVE_INFINITY))
    if (next === Number.POSITIVE_INFINITY) return
    const at = this.#clock.at ?? atWallTime
    this.#wait = at(next, () => {
      this.#settle()
      this.#tell()
    })
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

function standingAt(now: number, until: number | undefined): 'accepted' | 'ended' {
  return until === undefined || now < until ? 'accepted' : 'ended'
}

/** Each value once: what is sent is accepted without end, and of two ends of one value the later counts. */
function acceptedOf({ sends, also }: TokenValues): Accepted[] {
  const untils = new Map<string, number | undefined>([[sends, undefined]])
  for (const { token, until } of also) {
    if (token === sends) continue
    untils.set(token, Math.max(until, untils.get(token) ?? 0))
  }
  return [...untils].map(([token, until]) => ({
    digest: createHash('sha256').update(Buffer.from(token, 'latin1')).digest(),
    ref: refOf(token),
    until,
  }))
}
