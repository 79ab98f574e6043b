/** One line of what happened on a node. `at` is ISO 8601 in UTC with milliseconds. */
export type SiteEvent = { at: string; node: string } & (
  | { event: 'agent-started'; pid: number }
  | { event: 'unit-started'; unit: string; pid?: number }
  | { event: 'unit-ready'; unit: string; ms: number }
  | { event: 'unit-failed'; unit: string; message: string; logTail: string[] }
  | { event: 'unit-exited'; unit: string; code: number | null; signal: string | null }
  | { event: 'log'; unit: string; stream: 'stdout' | 'stderr'; line: string }
  /** A test ran a program on the node. */
  | { event: 'executed'; argv: readonly string[]; code: number | null; signal: string | null }
  | { event: 'handover'; unit: string; credential?: string; from: string }
  /** The clock of the node was moved; it is `offsetSeconds` ahead of the machine now. */
  | { event: 'clock-moved'; bySeconds: number; offsetSeconds: number }
  /** Nothing passes between the node and that one any more. */
  | { event: 'cut-off'; from: string }
  /** What passes between the node and that one is late, or lost in this share. */
  | { event: 'impaired'; to: string; delayMs: number; loss: number }
  | { event: 'healed' }
  /** What became of the node as a machine. */
  | { event: 'machine'; did: 'crash' | 'start' | 'block' | 'unblock' | 'freeze' | 'thaw' }
  | { event: 'agent-gone'; code: number | null; signal: string | null }
)
