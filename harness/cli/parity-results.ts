import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { redact } from '../credentials/secrets.ts'
import { evidenceName, historyFile } from '../evidence/history.ts'
import { calledText, callText, type Difference, type Parity, type SeenOn, seenText } from '../evidence/parity.ts'
import { shellWord } from '../protocols/shell-word.ts'
import type { ToldFailure } from '../site/told-failure.ts'
import { againIn } from './choose-scenarios.ts'
import type { ScenarioResult } from './run-scenarios.ts'

/** Pages of the last comparison in this folder. */
const pages = join('.holdfast', 'parity')

interface Held {
  readonly runs: readonly SeenOn[]
  /** What is typed to hold them against each other again: `process,netns`. */
  readonly where: string
}

/** Each test that was held on several grounds as a result of its own: it fails where they do not see it alike. */
export async function parityResults(parity: Parity, held: Held): Promise<ScenarioResult[]> {
  const claimed = (claim: string, on: readonly string[]) => `${claim} on ${on.join(' and ')}`
  await rm(pages, { recursive: true, force: true })
  const differing = await Promise.all(
    parity.differing.map(async (difference): Promise<ScenarioResult> => {
      const { scenario, name, file } = difference
      const page = await writePage(difference, held.runs)
      const told = toldDifference(difference, held, page)
      return {
        scenario: claimed(scenario, parity.grounds),
        name,
        file,
        state: 'failed',
        ms: 0,
        cause: 'assertion',
        told,
        page,
      }
    }),
  )
  const same = parity.same.map(({ scenario, name, file, on }): ScenarioResult => {
    return { scenario: claimed(scenario, on), name, file, state: 'passed', ms: 0 }
  })
  return [...differing, ...same]
}

function toldDifference(difference: Difference, { where }: Held, page: string): ToldFailure {
  const { scenario, name, file, members, number, more, seen } = difference
  const { to = '', action = '', ...call } = seen.map((one) => one.call).find((one) => one !== undefined) ?? {}
  const place = number === undefined ? `${scenario}: ${name}` : `${to} ${action}`
  // Where a call tells it, tests that fail for it and those that do not have one cause.
  const shown = number === undefined ? difference : { ...difference, members: members.filter((one) => one !== 'state') }
  const sentence = `${place}: ${seen.map((one) => `${seenText(one, shown)} on ${one.ground}`).join(', ')}`
  const others = more > 0 ? [`and ${more} more of its calls`] : []
  const again = `${againIn(file) ?? `npx holdfast test ${shellWord(file)}`} -t ${shellWord(name)} --backend ${where}`
  const told: ToldFailure['told'] = [
    ['call', ...('from' in call ? [`${number}: ${calledText({ ...call, to, action })}`] : []), ...others],
    ...seen.map((one) => [one.ground, seenText(one, difference), ...evidenceOf(one)] as const),
    ['differs', members.join(', ')],
    ['page', page],
    ['again', again],
  ]
  const lines = told.filter(([, ...texts]) => texts.length > 0)
  return { cause: sentence, rank: 'other', node: to, sentence, told: lines }
}

function evidenceOf({ page, evidence }: Difference['seen'][number]): string[] {
  const file = page ?? (evidence && join(evidence, historyFile))
  return file === undefined ? [] : [relative('', file)]
}

/** What each ground saw of all calls of a test: a page that can be read alone. */
async function writePage(difference: Difference, runs: readonly SeenOn[]): Promise<string> {
  const { scenario, name, file, members, seen } = difference
  const path = join(pages, `${evidenceName(`${seen[1].ground} ${scenario}: ${name}`)}.md`)
  const sides = seen.map((one) => {
    const tests = runs.find(({ ground }) => ground === one.ground)?.tests ?? []
    const test = tests.find((each) => each.file === file && each.name === name)
    const links = evidenceOf(one).map((to) => `- [${to}](${relative(dirname(path), to)})`)
    const calls = (test?.calls ?? []).map(
      (call, at) => `${at + 1}. ${calledText(call)}: ${callText(call, ['principal'])}`,
    )
    return [`## On ${one.ground}`, '', seenText(one, difference), '', ...links, '', ...calls, '']
  })
  const lines = [`# ${scenario}: ${name}`, '', `Not the same on both: ${members.join(', ')}.`, '', ...sides.flat()]
  await mkdir(pages, { recursive: true, mode: 0o700 })
  await writeFile(path, redact(lines.join('\n')), { mode: 0o600 })
  return path
}
