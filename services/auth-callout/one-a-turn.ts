/**
 * Takes what comes in the order in which it comes, one in each turn of the event loop: of hundreds that come together, the first are done with
 * whatever they wait for while the last are not begun, and nobody waits until all are begun.
 */
export class OneATurn<Item> {
  readonly #take: (item: Item) => void
  readonly #waiting: Item[] = []
  #turn: NodeJS.Immediate | undefined

  constructor(take: (item: Item) => void) {
    this.#take = take
  }

  add(item: Item): void {
    this.#waiting.push(item)
    this.#turn ??= setImmediate(() => this.#next())
  }

  /** Takes all that wait, at once. */
  flush(): void {
    clearImmediate(this.#turn)
    this.#turn = undefined
    for (const item of this.#waiting.splice(0)) this.#take(item)
  }

  #next(): void {
    const item = this.#waiting.shift() as Item
    this.#turn = this.#waiting.length > 0 ? setImmediate(() => this.#next()) : undefined
    this.#take(item)
  }
}
