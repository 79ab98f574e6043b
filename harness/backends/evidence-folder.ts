import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { redact } from '../evidence/redact.ts'
import { fill } from '../agent/template.ts'
import type { Plan } from '../topology/plan.ts'
import type { SiteEvent } from './backend.ts'

const FOLDER = { recursive: true, mode: 0o700 } as const

/**
 * What a run leaves behind: `run.json`, `plan.json`, `history.jsonl` and a log for each unit, all of it redacted.
 * History and logs are written as things happen, so that a run which dies keeps them too.
 */
export class EvidenceFolder {
  readonly path: string
  readonly #history: WriteStream
  readonly #logs = new Map<string, WriteStream>()

  private constructor(path: string) {
    this.path = path
    this.#history = append(join(path, 'history.jsonl'))
  }

  static async create(path: string, plan: Plan, run: object): Promise<EvidenceFolder> {
    await Promise.all(Object.keys(plan.nodes).map((node) => mkdir(join(path, 'logs', node), FOLDER)))
    await Promise.all([
      writeFile(join(path, 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`, { mode: 0o600 }),
      writeFile(join(path, 'run.json'), `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 }),
    ])
    return new EvidenceFolder(path)
  }

  record(event: SiteEvent): void {
    this.#history.write(`${redact(JSON.stringify(event))}\n`)
    if (event.event !== 'log') return
    const name = join(event.node, `${event.unit}.log`)
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = append(join(this.path, 'logs', name))
      this.#logs.set(name, log)
    }
    log.write(`${event.at} ${redact(event.line)}\n`)
  }

  /** Writes out everything that was recorded. */
  async close(): Promise<void> {
    const streams = [this.#history, ...this.#logs.values()]
    await Promise.all(streams.map((stream) => new Promise<void>((resolve) => stream.end(resolve))))
  }
}

function append(path: string): WriteStream {
  const stream = createWriteStream(path, { flags: 'a', mode: 0o600 })
  // A full disk or a removed folder must not end the run that is recorded.
  stream.on('error', () => {})
  return stream
}

/** Where the decision logs of a plan lie, for nodes whose folders are in `nodesDir`. */
export function decisionLogs(plan: Plan, nodesDir: string): { node: string; unit: string; path: string }[] {
  return Object.values(plan.nodes).flatMap((node) =>
    node.units.flatMap((unit) => {
      if (unit.service?.decisionLog === undefined) return []
      const dir = join(nodesDir, node.name)
      const template = { dir, unitDir: join(dir, 'units', unit.name), address: '', addresses: {} }
      return [{ node: node.name, unit: unit.name, path: fill(unit.service.decisionLog, template, unit.name) }]
    }),
  )
}

/** Adds the nodes' decision records to the history, in the order of time. Also for a run whose coordinator died. */
export async function completeHistory(evidence: string, plan: Plan, nodesDir: string): Promise<void> {
  const file = join(evidence, 'history.jsonl')
  const logs = decisionLogs(plan, nodesDir).map(({ path }) => path)
  const texts = await Promise.all([file, ...logs].map((path) => readFile(path, 'utf8').catch(() => '')))
  const lines = texts.flatMap((text, index) =>
    text.split('\n').flatMap((line) => {
      const at = timeOf(line)
      // Records of the decision log are told from events by their member `verdict`.
      return at === undefined ? [] : [{ at, line: index === 0 ? line : redact(line) }]
    }),
  )
  lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  await writeFile(`${file}.tmp`, lines.map(({ line }) => `${line}\n`).join(''), { mode: 0o600 })
  await rename(`${file}.tmp`, file)
}

/** Time of a line; none for a last line that was cut off when its writer died. */
function timeOf(line: string): string | undefined {
  if (line === '') return undefined
  try {
    const { at, ts } = JSON.parse(line) as { at?: string; ts?: string }
    return at ?? ts
  } catch {
    return undefined
  }
}
