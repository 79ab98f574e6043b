import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Count, Told } from './count-reporter.ts'

export const root = join(import.meta.dirname, '..')
/** The services as `npm test` starts them: in the clone, so that Node knows by their path what it compiled of them before. */
export const bundled = join(root, '.holdfast', 'services')
/** The agent of nodes likewise. */
export const bundledAgent = join(root, '.holdfast', 'agent', 'main.js')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** One line of what `npm test` proves: a sentence, and the program that proves it. */
export interface Check {
  /** A sentence that is true when the check passes. */
  readonly name: string
  readonly argv: readonly string[]
  /** A vitest run: each of its tests counts, instead of the check as one. */
  readonly counts?: boolean
  /** Settings that it runs with besides. */
  readonly env?: Readonly<Record<string, string>>
  /** What it writes is shown as it comes, on stderr; otherwise only when it fails. */
  readonly live?: boolean
}

export interface Outcome {
  readonly name: string
  readonly passed: number
  readonly failed: readonly Told[]
  readonly skipped: readonly Told[]
  readonly files: readonly string[]
  /** The output is worth reading when nothing failed, too. */
  readonly telling?: boolean
  /** Where scenarios kept their evidence. */
  readonly sites?: Count['sites']
  /** What came of each test of a scenario, and which ones were not chosen. */
  readonly seen?: Count['seen']
  readonly leftOut?: Count['leftOut']
  /** CPU time that each file used. */
  readonly cpu?: Count['cpu']
  readonly ms: number
  /** Everything that the program wrote, unless it was shown as it came. */
  readonly output: string
}

/** A TypeScript file, run by this Node as the command line is. */
export function script(file: string, ...args: string[]): readonly string[] {
  const flags = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning']
  return [process.execPath, ...flags, join(root, file), ...args]
}

/** A program of a package, which is JavaScript. */
export function program(name: string, ...args: string[]): readonly string[] {
  return [join(root, 'node_modules', '.bin', name), ...args]
}

/** The tests of one project of vitest.config.ts, in these folders only. What a snapshot lacks is a failure, never written. */
export function tests(project: string, folders: readonly string[] = []): readonly string[] {
  const reporter = join(root, 'checks', 'count-reporter.ts')
  const reporters = ['--reporter=default', `--reporter=${reporter}`]
  return [process.execPath, vitest, 'run', '--project', project, '--update=none', ...reporters, ...folders]
}

/** Runs a check to its end. */
export async function run(check: Check): Promise<Outcome> {
  const began = Date.now()
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-check-'))
  const countFile = join(folder, 'count.json')
  try {
    const forTests = { HOLDFAST_COUNT_FILE: countFile, HOLDFAST_SERVICES: bundled, HOLDFAST_AGENT: bundledAgent }
    const { code, output } = await execute(
      check.argv,
      { ...(check.counts ? forTests : {}), ...check.env },
      check.live ?? false,
    )
    const count = check.counts ? await readCount(countFile) : undefined
    const failed = [...(count?.failed ?? [])]
    // A vitest that died tells nothing, and one that is content tells how many tests passed.
    if (code !== 0 && failed.length === 0)
      failed.push({ name: check.name, reason: output.trimEnd().split('\n').slice(-12).join('\n') })
    if (check.counts && count === undefined && code === 0) {
      failed.push({ name: check.name, reason: 'no test was counted' })
    }
    const passed = check.counts ? (count?.passed ?? 0) : failed.length === 0 ? 1 : 0
    const { name } = check
    const { skipped = [], files = [], sites = [], seen = [], leftOut = [], cpu = [] } = count ?? {}
    return { name, passed, failed, skipped, files, sites, seen, leftOut, cpu, ms: Date.now() - began, output }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function execute(argv: readonly string[], environment: Record<string, string>, live: boolean) {
  const [file = '', ...args] = argv
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    const env = { ...process.env, ...environment }
    const child = spawn(file, args, { cwd: root, env, stdio: ['ignore', live ? 2 : 'pipe', live ? 2 : 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', (failure) => resolve({ code: null, output: `${file} cannot be started: ${failure.message}\n` }))
    child.once('close', (code) => resolve({ code, output }))
  })
}

async function readCount(file: string): Promise<Count | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as Count)
}
