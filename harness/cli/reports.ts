import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { HoldfastError } from '../errors.ts'
import { settings } from '../settings.ts'
import { topologyCallsIn } from './choose-scenarios.ts'
import { exitCode } from './failure.ts'
import { printNote, printResult } from './output.ts'
import type { ScenarioReport, ScenarioResult } from './run-scenarios.ts'

/** What CI shows: a page of tests, a list of findings in the code, lines beside the code. */
const forms = {
  junit: async (report: ScenarioReport) => (await import('./junit.ts')).junitText(report),
  sarif: async (report: ScenarioReport) => (await import('./sarif.ts')).sarifText(report),
  github: async (report: ScenarioReport) => (await import('./github.ts')).githubText(report),
}

type Form = keyof typeof forms

/** A report that was asked for, and the file that gets it; none: it is printed. */
export interface AskedReport {
  readonly form: Form
  readonly file?: string
}

/** `junit=results.xml`, beside those before it. */
export function askedReports(text: string, previous: readonly AskedReport[] = []): AskedReport[] {
  const [, form = '', file] = /^([^=]*)(?:=(.+))?$/s.exec(text) ?? []
  const names = Object.keys(forms)
  if (!names.includes(form)) throw new InvalidArgumentError(`Write one of ${names.join(', ')}, or junit=results.xml.`)
  return [...previous, { form: form as Form, file }]
}

/** Whether stdout is that of a report. Lines for GitHub stand among others; any other report is a document, alone on its stream. */
export function isStdoutTaken(
  { reporter = [], json = false }: { reporter?: readonly AskedReport[]; json?: boolean },
  command: Command,
): boolean {
  const documents = reporter.filter(({ form, file }) => form !== 'github' && file === undefined)
  const [first] = documents
  if (first !== undefined && documents.length + Number(json) > 1)
    command.error(`error: stdout has room for one document; write --reporter ${first.form}=FILE`, {
      exitCode: exitCode.usage,
    })
  return json || first !== undefined
}

/** @throws HoldfastError `HOLDFAST_REPORT_NOT_WRITTEN` */
export async function writeReports(
  report: ScenarioReport,
  { reporter = [], isTaken }: { reporter?: readonly AskedReport[]; isTaken: boolean },
): Promise<void> {
  for (const { form, file } of reporter) {
    const text = await forms[form](report)
    if (file !== undefined) await writeReport(file, text)
    else if (text !== '') (form === 'github' && isTaken ? printNote : printResult)(text)
  }
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(resolve(file)), { recursive: true })
    await writeFile(file, text)
  } catch (cause) {
    const way = 'name a file in a folder that you may write to'
    throw new HoldfastError('HOLDFAST_REPORT_NOT_WRITTEN', `the report cannot be written to ${file}; ${way}`, { cause })
  }
}

/** A line of a file, by its path from the top of the repository, as far as CI tells where that is. */
interface Place {
  readonly path: string
  readonly line: number
}

/** Where what failed is written down: in its scenario, or in the topology that it follows from, at the node. Undefined: nowhere. */
export async function placeOf({ at, file, line = 1, told }: ScenarioResult): Promise<Place | undefined> {
  if (file === '') return undefined
  const topology = file.startsWith(join('.holdfast', 'derived', '/')) ? await topologyOf(resolve(file)) : undefined
  if (topology !== undefined) return { path: fromTop(topology), line: await lineOf(topology, told?.node) }
  const [, path = file, row = line] = /^(.*):(\d+)$/s.exec(at ?? '') ?? []
  return { path: fromTop(path), line: Number(row) }
}

function fromTop(path: string): string {
  return relative(settings().workspace, resolve(path)).split(sep).join('/')
}

/** The file of the topology that a scenario was made from; undefined for one that is known by its name. */
async function topologyOf(scenario: string): Promise<string | undefined> {
  const made = topologyCallsIn(await readFile(scenario, 'utf8').catch(() => ''))
  const path = made.map(({ topology }) => topology).find((topology) => /[./]/.test(topology))
  return path === undefined ? undefined : join(dirname(scenario), path)
}

/** Where a topology declares a node, in whichever language; its first line where that is not seen. */
async function lineOf(topology: string, node: string | undefined): Promise<number> {
  if (node === undefined) return 1
  const lines = (await readFile(topology, 'utf8').catch(() => '')).split('\n')
  const declares = new RegExp(String.raw`(^|[\s{,])["']?${node}["']?\s*[:=]`)
  return (
    Math.max(
      0,
      lines.findIndex((text) => declares.test(text)),
    ) + 1
  )
}
