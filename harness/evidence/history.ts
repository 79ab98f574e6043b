import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync } from 'node:fs'
import { chmod, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KnownSecrets } from '../credentials/known-secrets.ts'
import { redactJson } from '../credentials/secrets.ts'
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

/** Writes down a call while the run goes on, so that a run that is cut off still has it. */
export function recordCall({ evidence, secrets }: Kept, at: string, call: unknown): void {
  mkdirSync(evidence, { recursive: true, mode: 0o700 })
  const line: HistoryLine = { at, kind: 'call', call }
  appendFileSync(join(evidence, callsFile), `${JSON.stringify(redactJson(line, secrets))}\n`, { mode: 0o600 })
}

type Kept = Pick<Chronicle, 'evidence' | 'secrets'>

/** A launched site, as far as its history is concerned. */
export interface Chronicle {
  /** The folder of its evidence, and what that must not hold. */
  readonly evidence: string
  readonly secrets: KnownSecrets
  readonly nodes: ReadonlyMap<string, { decisions(): Promise<readonly DecisionRecord[]> }>
  events(): readonly SiteEvent[]
}

/** Joins events, decisions and calls of a run in order of time, redacted, and answers the path of the file. */
export async function writeHistory(site: Chronicle): Promise<string> {
  const lines: HistoryLine[] = site.events().map((event) => ({ at: event.at, kind: 'event', event }))
  for (const node of site.nodes.values()) {
    const decisions = await node.decisions().catch(() => [])
    lines.push(...decisions.map((decision) => ({ at: decision.ts, kind: 'decision' as const, decision })))
  }
  lines.push(...(await recordedCalls(site.evidence)))
  return writeLines(site, lines)
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

async function recordedCalls(evidence: string): Promise<HistoryLine[]> {
  const text = await readFile(join(evidence, callsFile), 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as HistoryLine)
}

async function writeLines({ evidence, secrets }: Kept, lines: HistoryLine[]): Promise<string> {
  mkdirSync(evidence, { recursive: true, mode: 0o700 })
  const sorted = lines.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const file = join(evidence, historyFile)
  const text = sorted.map((line) => `${JSON.stringify(redactJson(line, secrets))}\n`).join('')
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await chmod(`${file}.new`, 0o600)
  await rename(`${file}.new`, file)
  return file
}
