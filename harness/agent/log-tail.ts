import type { NodeContext } from './node-context.ts'
import { forEachLine, type ProcessTree } from './process-tree.ts'

const KEPT = 20

/** The last lines that a unit wrote, for the report of its failure. Each line goes to the coordinator too. */
export class LogTail {
  readonly #lines: string[] = []
  readonly #context: NodeContext
  readonly #unit: string

  constructor(context: NodeContext, unit: string) {
    this.#context = context
    this.#unit = unit
  }

  follow(tree: ProcessTree): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      forEachLine(tree.child[stream], (line) => {
        this.#lines.push(line)
        if (this.#lines.length > KEPT) this.#lines.shift()
        this.#context.emit({ event: 'log', unit: this.#unit, stream, line })
      })
    }
  }

  lines(): string[] {
    return [...this.#lines]
  }
}
