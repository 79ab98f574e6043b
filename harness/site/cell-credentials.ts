import type { Site } from '../backends/backend.ts'
import type { ForGood, LiveKinds } from '../credentials/live-kind.ts'
import type { Presented } from '../credentials/parts.ts'
import type { Cell } from '../trust/cell.ts'
import { Credential } from './credential.ts'
import { FreshCredentials } from './fresh-credentials.ts'

type Shown = NonNullable<Cell['presents'][keyof Presented]>

/**
 * The credentials of a matrix, made real: what issuers make comes from them, the rest is spoiled as its kind knows how to. What is as
 * it was issued is kept for all tests of a site, since nothing ends it but what is done last.
 */
export class CellCredentials {
  readonly #live: LiveKinds
  #fresh: FreshCredentials
  /** Made before everything of its issuer was ended. */
  readonly #kept = new Map<string, Presented>()
  #ended: Promise<void> | undefined

  constructor(site: Site, live: LiveKinds) {
    this.#live = live
    this.#fresh = new FreshCredentials(site, live)
  }

  /** What a cell presents, part by part: what stands on others is made last, and may be made to fit them. */
  of({ name, presents }: Cell): Credential {
    return new Credential(name, async () => {
      let all: Presented = {}
      for (const part of new Set([...this.#live.values()].map((kind) => kind.part))) {
        const shown = presents[part]
        if (shown !== undefined) all = { ...all, ...(await this.#made(shown, all)) }
      }
      return all
    })
  }

  /** Ends everything that the issuers of these cells made, once; what the cells present is made before that. */
  end(cells: readonly Cell[]): Promise<void> {
    this.#ended ??= this.#end(cells)
    return this.#ended
  }

  /** What a target must have learned before such a cell is tried there. */
  ends(cell: Cell): ForGood | undefined {
    return this.#lastOf(cell)[0]?.forGood
  }

  async #end(cells: readonly Cell[]): Promise<void> {
    const last = cells.flatMap((cell) => this.#lastOf(cell))
    for (const { shown } of last) this.#kept.set(keyOf(shown), await this.#made(shown, {}))
    const issuers = new Map(last.map(({ planned, forGood }) => [planned.issuer, forGood]))
    for (const [issuer, forGood] of issuers) await forGood.end(issuer, this.#fresh.at)
    for (const { kind } of last) this.#fresh = this.#fresh.without(kind)
  }

  /** What a cell presents in a state that is one for good. */
  #lastOf({ presents }: Cell) {
    return Object.values(presents).flatMap((shown) => {
      const { planned, kind } = this.#fresh.of(shown.credential)
      const forGood = kind.forGood?.[shown.state]
      return forGood === undefined ? [] : [{ shown, planned, kind, forGood }]
    })
  }

  async #made(shown: Shown, beside: Presented): Promise<Presented> {
    const { credential, state } = shown
    const kept = this.#kept.get(keyOf(shown))
    if (kept !== undefined) return kept
    const { planned, kind } = this.#fresh.of(credential)
    const made = kind.isGoodForOne ? this.#fresh.anew(credential) : this.#fresh.named(credential)
    const { [kind.part]: own } = await made.presented()
    if (state === 'fresh') return { [kind.part]: own }
    return kind.spoil[state]!({ ...beside, [kind.part]: own }, planned, this.#fresh.at)
  }
}

function keyOf({ credential, state }: Shown): string {
  return `${state} ${credential}`
}
