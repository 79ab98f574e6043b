import { HoldfastError } from '../errors.ts'

/** One thing that is wrong in a topology. */
export interface Mistake {
  /** Where it stands: `credentials.node-a.audience[0]`. Empty for the topology itself. */
  path: string
  message: string
  /** What to do about it. Empty when the message says it. */
  wayOut: string
}

/** A topology with mistakes: all of them, in the order of the topology's members. */
export class TopologyInvalid extends HoldfastError {
  readonly mistakes: readonly Mistake[]

  constructor(topology: string, mistakes: readonly Mistake[]) {
    const count = `${mistakes.length} ${mistakes.length === 1 ? 'mistake' : 'mistakes'}`
    super('HOLDFAST_TOPOLOGY_INVALID', [`topology ${topology}: ${count}`, ...mistakes.map(mistakeText)].join('\n'))
    this.mistakes = mistakes
  }
}

function mistakeText({ path, message, wayOut }: Mistake): string {
  return `  ${path === '' ? '' : `${path}: `}${message}${wayOut === '' ? '' : `; ${wayOut}`}`
}

/** Collects mistakes, each once. */
export class Mistakes {
  readonly #all = new Map<string, Mistake>()

  add(path: readonly PropertyKey[], message: string, wayOut = ''): void {
    const mistake = { path: pathText(path), message, wayOut }
    this.#all.set(`${mistake.path}\n${message}`, mistake)
  }

  /** @throws TopologyInvalid when there is one. */
  throwIfAny(topology: string): void {
    if (this.#all.size > 0) throw new TopologyInvalid(topology, [...this.#all.values()])
  }
}

/** `['accepts', 0, 'target']` is `accepts[0].target`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`))
    .join('')
}

/** The way out for a name that is not known: the one that it most likely means, or `otherwise`. */
export function didYouMean(name: string, known: Iterable<string>, otherwise: string): string {
  const meant = nearest(name, known)
  return meant === undefined ? otherwise : `did you mean "${meant}"?`
}

/** The known name that a misspelt one most likely means, if any comes near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: { candidate: string; distance: number } | undefined
  for (const candidate of known) {
    const distance = editDistance(name, candidate)
    if (best === undefined || distance < best.distance) best = { candidate, distance }
  }
  return best !== undefined && best.distance <= Math.max(2, name.length / 3) ? best.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replace, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
