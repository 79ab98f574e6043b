/**
 * What happened in a cluster, as far as its promises are concerned: written by whoever watches it, a test in one process or a scenario that reads
 * the logs of nodes. Times are of one clock.
 */
export type HistoryEvent =
  | { readonly type: 'granted'; readonly voter: string; readonly epoch: number; readonly holder: string }
  /** Who leads, whenever that changes: its lease runs by its own clock, and it knows of no higher epoch. */
  | { readonly type: 'leaders'; readonly leaders: readonly { readonly node: string; readonly epoch: number }[] }
  | { readonly type: 'acknowledged'; readonly key: string; readonly run: string; readonly by: string }
  /** Somebody was shown how a run ended. */
  | { readonly type: 'ended'; readonly run: string; readonly state: string; readonly by: string }
  /** What a node says of a run at the very end, when nothing is wrong any more. */
  | { readonly type: 'final'; readonly node: string; readonly run: string; readonly state: string }

export type Recorded = HistoryEvent & { readonly at: number }

export class History {
  readonly events: Recorded[] = []

  record(at: number, event: HistoryEvent): void {
    this.events.push({ at, ...event })
  }

  of<Type extends HistoryEvent['type']>(type: Type): (Recorded & { type: Type })[] {
    return this.events.filter((event): event is Recorded & { type: Type } => event.type === type)
  }
}

/** The events of one node, from the JSON lines that it logged. Other lines are passed over. */
export function grantsInLog(node: string, lines: Iterable<string>): Recorded[] {
  const events: Recorded[] = []
  for (const line of lines) {
    if (!line.includes('"lease-granted"')) continue
    const { ts, epoch, holder } = JSON.parse(line) as { ts: string; epoch: number; holder: string }
    events.push({ at: Date.parse(ts), type: 'granted', voter: node, epoch, holder })
  }
  return events
}
