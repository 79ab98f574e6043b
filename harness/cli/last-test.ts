import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { BackendName } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { type Cause, causesOf } from './causes.ts'
import { plural } from './output.ts'
import type { ScenarioReport, ScenarioResult, ScenarioRun } from './run-scenarios.ts'

const folder = '.holdfast'
/** All results of the last run in this folder by cause, for people. */
export const indexFile = join(folder, 'last-test.md')
const failedFile = join(folder, 'last-failed.json')

/** What the last run in this folder was asked for, and which of its tests failed, by their whole names. */
interface LastFailed extends Pick<ScenarioRun, 'filters' | 'set' | 'full'> {
  readonly names: readonly string[]
  /** The grounds that it was held on, where there were several. */
  readonly grounds?: readonly BackendName[] | undefined
}

type Asked = Omit<LastFailed, 'names'>

export async function writeLast(report: ScenarioReport, { filters, set, full, grounds }: Asked): Promise<void> {
  const names = report.scenarios.filter(({ state }) => state === 'failed').map(({ name }) => name)
  const last: LastFailed = { filters, set, full, names: [...new Set(names)], grounds }
  await mkdir(folder, { recursive: true })
  await writeFile(indexFile, indexText(report), { mode: 0o600 })
  await writeFile(failedFile, JSON.stringify(last), { mode: 0o600 })
}

/** @throws HoldfastError `HOLDFAST_NO_SCENARIO` where no run is known, or nothing failed in it */
export async function readLast(): Promise<LastFailed> {
  const last = await readFile(failedFile, 'utf8').then(
    (text) => JSON.parse(text) as LastFailed,
    () => undefined,
  )
  if (last !== undefined && last.names.length > 0) return last
  const why = last === undefined ? `no test was run in ${process.cwd()} yet` : 'nothing failed in the last run'
  throw new HoldfastError('HOLDFAST_NO_SCENARIO', `${why}; leave out --last-failed`)
}

/** An index of the pages of evidence by cause, then what passed and what did not run. */
function indexText({ scenarios }: ScenarioReport): string {
  const causes = causesOf(scenarios)
  const of = (state: ScenarioResult['state']) => scenarios.filter((one) => one.state === state)
  const passed = of('passed').map(titleOf)
  const skipped = of('did not run').map((one) => `${titleOf(one)}: ${one.reason}`)
  return [
    ...['# The last test', ''],
    ...causes.flatMap(causeText),
    ...section(`Passed: ${passed.length}`, passed),
    ...section(`Did not run: ${skipped.length}`, skipped),
  ].join('\n')
}

function causeText({ root, followers }: Cause, at: number): string[] {
  const likely = root.told?.told.find(([label]) => label === 'likely')?.[1]
  return [
    ...[`## ${at + 1}. ${root.told?.sentence ?? titleOf(root)}`, ''],
    ...(likely === undefined ? [] : [`Most likely ${likely}.`, '']),
    `- ${linkTo(root)}`,
    ...(followers.length === 0 ? [] : ['', `${plural(followers.length, 'failure')} with the same cause:`, '']),
    ...followers.map((one) => `- ${linkTo(one)}`),
    '',
  ]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`## ${title}`, '', ...lines.map((line) => `- ${line}`), '']
}

function titleOf({ scenario, name }: Pick<ScenarioResult, 'scenario' | 'name'>): string {
  return `${scenario}: ${name}`
}

function linkTo(one: ScenarioResult): string {
  return one.page === undefined ? titleOf(one) : `[${titleOf(one)}](${relative(folder, one.page)})`
}
