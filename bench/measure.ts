/** What one comparison showed. `ratio` is subject over baseline, of medians. */
export interface Measure {
  name: string
  unit: 'ms' | 'per second' | 'bytes' | 'open'
  baseline: number
  subject: number
  ratio: number
  bar: Bar
  met: boolean
  rounds: number
  /** Where the rest goes, and whatever else a reader needs. */
  notes: string[]
}

/** `atMost`: the ratio may not be larger (times). `atLeast`: it may not be smaller (throughput). */
export type Bar = { atMost: number } | { atLeast: number }

export interface InterleaveOptions {
  bar: Bar
  unit?: Measure['unit']
  /** At least 5, so that one disturbed round does not move the median. */
  rounds?: number
  /** One run of each before anything counts: caches of files and compiled modules are warm for both. */
  warmUp?: boolean
}

/**
 * Runs baseline and subject in turn on the same machine, the first of each pair alternating, so that whatever drifts
 * (clock rate, caches, neighbours) drifts for both. Each function answers with its own figure.
 */
export async function interleave(
  name: string,
  baseline: () => Promise<number>,
  subject: () => Promise<number>,
  { bar, unit = 'ms', rounds = 5, warmUp = true }: InterleaveOptions,
): Promise<Measure> {
  if (warmUp) {
    await baseline()
    await subject()
  }
  const figures = { baseline: [] as number[], subject: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    const inTurn = round % 2 === 0 ? (['baseline', 'subject'] as const) : (['subject', 'baseline'] as const)
    for (const side of inTurn) figures[side].push(await (side === 'baseline' ? baseline() : subject()))
  }
  return compare(name, median(figures.baseline), median(figures.subject), { bar, unit, rounds })
}

export function compare(
  name: string,
  baseline: number,
  subject: number,
  { bar, unit = 'ms', rounds }: { bar: Bar; unit?: Measure['unit']; rounds: number },
): Measure {
  const ratio = subject / baseline
  const met = 'atMost' in bar ? ratio <= bar.atMost : ratio >= bar.atLeast
  return { name, unit, baseline, subject, ratio, bar, met, rounds, notes: [] }
}

export function median(figures: readonly number[]): number {
  return quantile(figures, 0.5)
}

/** Linear between neighbours; `share` from 0 to 1. */
export function quantile(figures: readonly number[], share: number): number {
  if (figures.length === 0) throw new RangeError('a quantile needs at least one figure')
  const sorted = [...figures].sort((one, other) => one - other)
  const place = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
  return low + (high - low) * (place - Math.floor(place))
}
