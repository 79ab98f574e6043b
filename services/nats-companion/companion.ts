import { readFile } from 'node:fs/promises'
import { openDecisionLog } from '../shared/decision-log.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { calloutOf, recordsIn } from './callout-log.ts'
import type { Configuration } from './config.ts'
import { type Added, follow } from './follow.ts'
import { Judge } from './judge.ts'
import { readLine } from './log-line.ts'
import { overAt, shownAt } from './monitoring.ts'

/** Where a record comes from, and no other: a companion that is started again knows by it what it wrote. */
interface Source {
  readonly file: string
  readonly line: number
}

/** Follows the log of a broker until `signal` is aborted. Each line is handed to `print` as well, since the broker itself prints none. */
export async function accompany(
  configuration: Configuration,
  { signal, log, print }: { signal: AbortSignal; log: Log; print(line: string): void },
): Promise<void> {
  const { node, unit, listener, monitoring, callout } = configuration
  const written = await writtenOf(configuration.decisionLog)
  const decisions = openDecisionLog(configuration.decisionLog, { node, unit })
  // In one file, as all that was decided about the connections of this broker; in the name of whoever decided.
  const others = callout && openDecisionLog(configuration.decisionLog, { node, unit: callout.unit })
  let [file, number] = ['', 0]
  const failed = (failure: unknown) => log.warn('monitoring-failed', failureFields(failure)) as undefined
  const shown = async (cid: number, endedAt?: number) => shownAt(monitoring, cid, endedAt).catch(failed)
  const over = async (cid: number, at: number) => overAt(monitoring, cid, at).catch(failed)
  const judge = new Judge({
    ...{ listener, shown, over, callout: callout && calloutOf(callout) },
    // Lines are heard one after the other, so all until then were.
    isHeardBefore: (line) => line <= (written.get(file)?.last ?? 0),
    record(decision, line, by) {
      if (written.get(file)?.lines.has(line)) return
      const own = by === 'callout' ? others : decisions
      own?.record(Object.assign(decision, { source: { file, line } satisfies Source }))
    },
  })
  const heard = async (added: Added) => {
    if (added.file !== file) [file, number] = [added.file, 0]
    for (const text of added.lines) {
      number += 1
      print(text)
      const line = readLine(text, number)
      if (line !== undefined) await judge.heard(line)
    }
    await judge.look()
  }
  try {
    for await (const added of follow(configuration.log, { signal, isImpatient: () => judge.isWaiting }))
      await heard(added)
  } finally {
    decisions.close()
    others?.close()
  }
}

interface Written {
  /** Those that a record came from. */
  readonly lines: Set<number>
  /** Of them. */
  last: number
}

/** By file, the lines from which what is written came. A login is written after what came of later lines, once the broker shows it. */
async function writtenOf(decisionLog: string): Promise<Map<string, Written>> {
  const text = await readFile(decisionLog, 'utf8').catch(() => '')
  const written = new Map<string, Written>()
  for (const { file, line } of sourcesIn(text)) {
    const own = written.get(file) ?? { lines: new Set(), last: 0 }
    written.set(file, own)
    own.lines.add(line)
    own.last = Math.max(own.last, line)
  }
  return written
}

function sourcesIn(text: string): Source[] {
  return recordsIn(text).flatMap(({ source }) => (source === undefined ? [] : (source as Source)))
}
