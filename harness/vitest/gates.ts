/** Whether the accepted call of each place came through: where it did not, nothing else that is tried there proves anything. */
export class Gates {
  readonly #shut = new Set<string>()

  /** Makes the accepted call of a place. What it throws is the failure of all else there. */
  async open(place: string, accepted: () => Promise<void>): Promise<void> {
    try {
      await accepted()
      // It may have been shut in a run of the same test before.
      this.#shut.delete(place)
    } catch (failure) {
      this.#shut.add(place)
      throw failure
    }
  }

  /** Ends a test that stands on the accepted call of a place which did not come through. */
  pass(place: string, skip: (note: string) => void): void {
    if (this.#shut.has(place)) skip(`nobody is let in at ${place}`)
  }

  /** The same of a test that stands on those of all of these. */
  passAny(places: readonly string[], skip: (note: string) => void): void {
    if (places.every((place) => this.#shut.has(place))) skip(`nobody is let in at ${[...new Set(places)].join(', ')}`)
  }
}
