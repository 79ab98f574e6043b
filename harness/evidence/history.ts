import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync } from 'node:fs'
import { chmod, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KnownSecrets } from '../credentials/known-secrets.ts'
import { redactedJson } from '../credentials/secrets.ts'
import type { DecisionRecord } from './decision.ts'
import type { SiteEvent } from './event.ts'

/** One line of a run's history: what happened on a node, what a node decided, or what a test called. */
export type HistoryLine = { at: string } & (
  | { kind: 'event'; event: SiteEvent }
  | { kind: 'decision'; decision: DecisionRecord }
  | { kind: 'call'; call: unknown }
)

/** The file of a run that holds everything in order of time, one JSON object in each line. */
export const historyFile = 'history.jsonl'
/** Its calls alone, which are written as they are made. */
export const callsFile = 'calls.jsonl'

/** The folder of a run's evidence, and what that must not hold. */
interface Kept {
  readonly evidence: string
  readonly secrets: KnownSecrets
}

/** Writes down a call while the run goes on, so that a run that is cut off still has it. */
export function recordCall({ evidence, secrets }: Kept, at: string, call: unknown): void {
  mkdirSync(evidence, { recursive: true, mode: 0o700 })
  const line: HistoryLine = { at, kind: 'call', call }
  appendFileSync(join(evidence, callsFile), `${redactedJson(line, secrets)}\n`, { mode: 0o600 })
}

/** A launched site, as far as its history is concerned. */
interface Chronicle extends Kept {
  readonly nodes: ReadonlyMap<string, { decisions(): Promise<readonly DecisionRecord[]> }>
  events(): readonly SiteEvent[]
}

/** Joins events, decisions and calls of a run that goes on, and answers the path of the file. */
export async function writeHistory(site: Chronicle): Promise<string> {
  const events = site.events().map((event): HistoryLine => ({ at: event.at, kind: 'event', event }))
  const decided = await Promise.all([...site.nodes.values()].map((node) => node.decisions().catch(() => [])))
  const calls = await linesIn([join(site.evidence, callsFile)])
  mkdirSync(site.evidence, { recursive: true, mode: 0o700 })
  return joinHistory(site, [...events, ...decided.flat().map(decisionLine), ...calls])
}

export function decisionLine(decision: DecisionRecord): HistoryLine {
  return { at: decision.ts, kind: 'decision', decision }
}

/** Lines of files that may be missing. */
export async function linesIn(paths: readonly string[]): Promise<HistoryLine[]> {
  return linesOf(await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => ''))))
}

/** Lines of texts that may be cut off in their last one, when their writer died; `toLine`: what stands in one, as a line of the history. */
export function linesOf(texts: readonly string[], toLine = (value: never): HistoryLine => value): HistoryLine[] {
  return texts
    .flatMap((text) => text.split('\n'))
    .flatMap((text) => {
      try {
        const line = toLine(JSON.parse(text) as never)
        return line.at === undefined ? [] : [line]
      } catch {
        return []
      }
    })
}

/** Writes the history of a run from its lines, in order of time and redacted. */
export async function joinHistory({ evidence, secrets }: Kept, lines: readonly HistoryLine[]): Promise<string> {
  const sorted = lines.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const file = join(evidence, historyFile)
  const text = sorted.map((line) => `${redactedJson(line, secrets)}\n`).join('')
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await chmod(`${file}.new`, 0o600)
  await rename(`${file}.new`, file)
  return file
}

/** A short name for a file of evidence about `text`: readable, and different for different texts. */
export function evidenceName(text: string): string {
  const words = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 60)
  return `${words}-${createHash('sha256').update(text).digest('hex').slice(0, 6)}`
}
