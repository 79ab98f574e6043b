import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunSettings } from '../agent/protocol.ts'
import { fill } from '../agent/template.ts'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import { redact, secretsOf } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import { callsFile, decisionLine, type HistoryLine, joinHistory, linesIn, linesOf } from '../evidence/history.ts'
import { homeOf } from '../topology/networks.ts'
import type { Plan, PlanUnit } from '../topology/plan.ts'
import type { Run } from './run-folder.ts'

/** Events as they come; part of the history once that is complete. */
const EVENTS = 'events.jsonl'
/** In the folder of the run, beside its keys, and removed with them: what is known, for whoever completes the evidence of the dead. */
const SECRETS = 'secrets'
const FOLDER = { recursive: true, mode: 0o700 } as const

/** What a run had told could not be written down whole. Code `HOLDFAST_EVIDENCE_INCOMPLETE`. */
export class EvidenceIncomplete extends HoldfastError {
  constructor(folder: string, cause: unknown) {
    super('HOLDFAST_EVIDENCE_INCOMPLETE', `the evidence in ${folder} is not complete`, { cause })
  }
}

/**
 * What a run leaves behind: `run.json`, `plan.json`, `history.jsonl` and a log for each unit. Events come without secrets, and are
 * written as things happen, so that a run which dies keeps them too (of a unit that prints megabytes the first ones); in the end all is
 * looked through for what became known late.
 */
export class EvidenceFolder {
  readonly path: string
  readonly secrets = new KnownSecrets()
  readonly #secretsFile: string
  readonly #streams = new Map<string, WriteStream>()
  readonly #outputs = new Map<string, Output>()
  /** What could not be written, first of all. */
  #failure: NodeJS.ErrnoException | undefined

  private constructor({ record, folder }: Run) {
    this.path = record.evidence
    this.#secretsFile = join(folder, SECRETS)
  }

  static async create(run: Run, plan: Plan): Promise<EvidenceFolder> {
    const path = run.record.evidence
    await mkdir(path, FOLDER).catch((cause: NodeJS.ErrnoException) => {
      const way = 'evidence is kept below the folder in which a run is started: start it in one that you may write'
      throw new HoldfastError('HOLDFAST_EVIDENCE_FOLDER', `${path} cannot be made (${cause.code}); ${way}`)
    })
    await Promise.all(Object.keys(plan.nodes).map((node) => mkdir(join(path, 'logs', node), FOLDER)))
    const write = (name: string, json: unknown) =>
      writeFile(join(path, name), `${JSON.stringify(json, null, 2)}\n`, { mode: 0o600 })
    await Promise.all([write('plan.json', plan), write('run.json', run.record)])
    return new EvidenceFolder(run)
  }

  learn(content: Uint8Array): void {
    this.secrets.add(secretsOf(content))
    this.#append(this.#secretsFile, Buffer.from(content).toString('base64'))
  }

  record(event: SiteEvent): void {
    if (event.event !== 'log' || this.#outputOf(event).isFirst(event)) this.#write(event)
  }

  #outputOf({ node, unit }: LogEvent): Output {
    const place = join(node, unit)
    const output = this.#outputs.get(place) ?? new Output()
    this.#outputs.set(place, output)
    return output
  }

  #write(event: SiteEvent): void {
    const line: HistoryLine = { at: event.at, kind: 'event', event }
    this.#append(join(this.path, EVENTS), JSON.stringify(line))
    if (event.event !== 'log') return
    this.#append(join(this.path, 'logs', event.node, `${event.unit}.log`), `${event.at} ${event.line}`)
  }

  #append(file: string, line: string): void {
    const stream = this.#streams.get(file) ?? createWriteStream(file, { flags: 'a', mode: 0o600 })
    // A full disk or a removed folder must not end the run that is recorded. It is told when that has ended.
    if (!this.#streams.has(file)) stream.on('error', (failure) => (this.#failure ??= failure))
    this.#streams.set(file, stream)
    stream.write(`${line}\n`)
  }

  /**
   * Writes out everything that was recorded, and the history with it. Whoever took the folder away, meant it.
   *
   * @throws EvidenceIncomplete
   */
  async close(decisionLogs: readonly string[]): Promise<void> {
    for (const output of this.#outputs.values()) for (const event of output.last()) this.#write(event)
    this.#outputs.clear()
    await Promise.all([...this.#streams.values()].map((stream) => new Promise<void>((resolve) => stream.end(resolve))))
    const failure = await completeEvidence(this.path, decisionLogs, this.secrets).then(
      () => this.#failure,
      (cause: NodeJS.ErrnoException) => cause,
    )
    if (failure !== undefined && failure.code !== 'ENOENT') throw new EvidenceIncomplete(this.path, failure)
  }
}

type LogEvent = Extract<SiteEvent, { event: 'log' }>

const mostFirst = 4_194_304
const mostLast = 4_194_304

/** What a unit prints in a run: of a program that prints on and on the beginning is kept, and the end. */
class Output {
  #first = 0
  #size = 0
  #tail: LogEvent[] = []
  readonly #left = { lines: 0, characters: 0 }

  /** Whether it is of the beginning, which is written as it comes; what is not is held for the end. */
  isFirst(event: LogEvent): boolean {
    this.#first += event.line.length
    if (this.#first <= mostFirst) return true
    this.#size += event.line.length
    this.#tail.push(event)
    // Not line by line: each time, all others move.
    if (this.#size > mostLast * 2) this.#cut()
    return false
  }

  /** The end, and before it how much is left out. */
  last(): LogEvent[] {
    this.#cut()
    const [next] = this.#tail
    const { lines, characters } = this.#left
    if (next === undefined || lines === 0) return this.#tail
    return [{ ...next, line: `… ${lines} lines (${characters} characters) are left out here …` }, ...this.#tail]
  }

  #cut(): void {
    let at = 0
    for (; this.#size > mostLast; at += 1) {
      const { length } = this.#tail[at]!.line
      this.#size -= length
      this.#left.characters += length
    }
    this.#left.lines += at
    this.#tail = this.#tail.slice(at)
  }
}

/** What a run that died had learnt, from its folder. */
export async function knownIn(folder: string): Promise<KnownSecrets> {
  const known = new KnownSecrets()
  const lines = (await readFile(join(folder, SECRETS), 'utf8').catch(() => '')).split('\n')
  for (const line of lines) known.add(secretsOf(Buffer.from(line, 'base64')))
  return known
}

/** Writes the history, and takes out of all the rest what became known late. */
export async function completeEvidence(
  evidence: string,
  decisionLogs: readonly string[],
  secrets: KnownSecrets,
): Promise<void> {
  const events = join(evidence, EVENTS)
  const written = await linesIn([events, join(evidence, callsFile)])
  await joinHistory({ evidence, secrets }, [...written, ...linesOf(decisionLogs, decisionLine)])
  await rm(events, { force: true })
  const logs = (await readdir(join(evidence, 'logs'), { recursive: true })).map((name) => join('logs', name))
  for (const name of ['plan.json', 'run.json', callsFile, ...logs]) {
    const file = join(evidence, name)
    const text = await readFile(file, 'utf8').catch(() => '')
    const left = redact(text, secrets)
    if (left !== text) await writeFile(file, left)
  }
}

/** Where units of a node write their decisions. */
export function decisionLogsOf(units: readonly PlanUnit[], node: { dir: string; address: string }): string[] {
  return units.flatMap(({ name, service, decisionLog = service?.decisionLog }) => {
    if (decisionLog === undefined) return []
    const context = { dir: node.dir, unitDir: join(node.dir, 'units', name), address: node.address }
    return [fill(decisionLog, context, name)]
  })
}

/** Texts of all decision logs of a plan; one that was never begun is empty. */
export function decisionTexts(
  { nodes }: Plan,
  { dirs, addresses }: Pick<RunSettings, 'dirs' | 'addresses'>,
  read: (path: string, node: string) => Promise<string>,
): Promise<string[]> {
  const texts = Object.values(nodes).flatMap(({ name, units, ...node }) => {
    const paths = decisionLogsOf(units, { dir: dirs[name]!, address: addresses[name]![homeOf(node)]! })
    return paths.map((path) => read(path, name).catch(() => ''))
  })
  return Promise.all(texts)
}
