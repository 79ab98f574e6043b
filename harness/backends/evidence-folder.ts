import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunSettings } from '../agent/protocol.ts'
import { fill } from '../agent/template.ts'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import { redact, secretsOf } from '../credentials/secrets.ts'
import type { SiteEvent } from '../evidence/event.ts'
import { callsFile, decisionLine, type HistoryLine, joinHistory, linesIn, linesOf } from '../evidence/history.ts'
import type { Plan, PlanUnit } from '../topology/plan.ts'

/** Events as they come; part of the history once that is complete. */
const EVENTS = 'events.jsonl'
/** In the folder of the run, beside its keys, and removed with them: what is known, for whoever completes the evidence of the dead. */
const SECRETS = 'secrets'
const FOLDER = { recursive: true, mode: 0o700 } as const

/**
 * What a run leaves behind: `run.json`, `plan.json`, `history.jsonl` and a log for each unit. Events come without secrets, and are
 * written as things happen, so that a run which dies keeps them too; in the end all is looked through for what became known late.
 */
export class EvidenceFolder {
  readonly path: string
  readonly secrets = new KnownSecrets()
  readonly #events: WriteStream
  readonly #logs = new Map<string, WriteStream>()
  readonly #known: WriteStream

  private constructor(path: string, run: string) {
    this.path = path
    this.#known = append(join(run, SECRETS))
    this.#events = append(join(path, EVENTS))
  }

  static async create(path: string, plan: Plan, run: object, folder: string): Promise<EvidenceFolder> {
    await Promise.all(Object.keys(plan.nodes).map((node) => mkdir(join(path, 'logs', node), FOLDER)))
    await Promise.all([
      writeFile(join(path, 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`, { mode: 0o600 }),
      writeFile(join(path, 'run.json'), `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 }),
    ])
    return new EvidenceFolder(path, folder)
  }

  learn(content: Uint8Array): void {
    this.secrets.add(secretsOf(content))
    this.#known.write(`${Buffer.from(content).toString('base64')}\n`)
  }

  record(event: SiteEvent): void {
    const line: HistoryLine = { at: event.at, kind: 'event', event }
    this.#events.write(`${JSON.stringify(line)}\n`)
    if (event.event !== 'log') return
    const name = join(event.node, `${event.unit}.log`)
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = append(join(this.path, 'logs', name))
      this.#logs.set(name, log)
    }
    log.write(`${event.at} ${event.line}\n`)
  }

  /** Writes out everything that was recorded, and the history with it. */
  async close(decisionLogs: readonly string[]): Promise<void> {
    const streams = [this.#events, this.#known, ...this.#logs.values()]
    await Promise.all(streams.map((stream) => new Promise<void>((resolve) => stream.end(resolve))))
    await completeEvidence(this.path, decisionLogs, this.secrets)
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

function append(path: string): WriteStream {
  const stream = createWriteStream(path, { flags: 'a', mode: 0o600 })
  // A full disk or a removed folder must not end the run that is recorded.
  stream.on('error', () => {})
  return stream
}

/** Where units of a node write their decisions. */
export function decisionLogsOf(units: readonly PlanUnit[], node: { dir: string; address: string }): string[] {
  return units.flatMap(({ name, service }) => {
    if (service?.decisionLog === undefined) return []
    const context = { dir: node.dir, unitDir: join(node.dir, 'units', name), address: node.address, addresses: {} }
    return [fill(service.decisionLog, context, name)]
  })
}

/** Texts of all decision logs of a plan; one that was never begun is empty. */
export function decisionTexts(
  { nodes }: Plan,
  { dirs, addresses }: Pick<RunSettings, 'dirs' | 'addresses'>,
  read: (path: string, node: string) => Promise<string>,
): Promise<string[]> {
  const texts = Object.values(nodes).flatMap(({ name, units }) => {
    const paths = decisionLogsOf(units, { dir: dirs[name] as string, address: addresses[name] as string })
    return paths.map((path) => read(path, name).catch(() => ''))
  })
  return Promise.all(texts)
}
