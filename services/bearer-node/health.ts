/** Why a node is not ready: faults of its own, by name. Of a peer or a leader that is missing it says nothing. */
export class Health {
  readonly #reasons = new Set<string>()

  /** `reason`: snake case, as it is shown by `/readyz`. */
  raise(reason: string): void {
    this.#reasons.add(reason)
  }

  clear(reason: string): void {
    this.#reasons.delete(reason)
  }

  reasons(): readonly string[] {
    return [...this.#reasons].sort()
  }
}
