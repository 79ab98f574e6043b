import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { GuardCoverage, GuardUse } from '../evidence/coverage.ts'
import { declaredGuards } from '../faults/declared-guards.ts'
import { knownCauses, whyUnmissed } from '../faults/explained.ts'
import type { ScenarioReport, ScenarioResult } from './run-scenarios.ts'
import { outcomesText, scoreLine } from './sabotage.ts'
import {
  chosenGuards,
  foreignText,
  type GuardOutcome,
  isAsKnown,
  type RunWithout,
  sabotageEach,
} from './sabotage-run.ts'

const use = (guard: string, ...scenarios: string[]): GuardUse => ({ service: 's', guard, scenarios, reasons: [] })

function reportOf(...results: Partial<ScenarioResult>[]): ScenarioReport {
  const scenarios = results.map((result) => ({ scenario: 'claim', name: 'test', file: 'f', ms: 1, ...result }))
  return { passed: 0, failed: 0, didNotRun: [], evidence: '', scenarios } as unknown as ScenarioReport
}

const red = {
  state: 'failed',
  cause: 'assertion',
  failure: '✗ claim: test\n    received  accepted 101\n    because   it got in',
} as const
const broken = { state: 'failed', cause: 'error', failure: '✗ claim: test\n    node a did not come up' } as const
const green = { state: 'passed' } as const

async function outcomes(uses: GuardUse[], runWithout: RunWithout, explained: Record<string, string> = {}) {
  const told: GuardOutcome[] = []
  const signal = new AbortController().signal
  const report = await sabotageEach(uses, runWithout, {
    ...{ atOnce: 2, signal, onOutcome: (one) => told.push(one) },
    whySurvives: (guard) => explained[guard],
  })
  expect(told).toHaveLength(uses.length)
  return report
}

test('killed by an expectation that did not hold, told in one line', async () => {
  const report = await outcomes([use('g', 'a', 'b')], async () => reportOf(green, red))

  expect(report).toMatchObject({ killed: 1, guards: 1 })
  expect(report.outcomes[0]).toMatchObject({
    guard: 's/g',
    outcome: 'killed',
    by: 'claim: test',
    why: 'received accepted 101; because it got in',
  })
})

test('the scenario that is closest runs alone, the others only when it stays green', async () => {
  const ran: (readonly string[])[] = []
  const report = await outcomes([use('g', 'a', 'b', 'c')], async (_, files) => {
    ran.push(files)
    return reportOf(ran.length === 1 ? green : red)
  })

  expect(ran).toEqual([['a'], ['b', 'c']])
  expect(report.killed).toBe(1)
})

test('a survivor, a guard that nothing covers and a site that did not come up are no kills', async () => {
  const report = await outcomes([use('weak', 'a'), use('bare'), use('deaf', 'a'), use('mute', 'a')], async (guard) => {
    if (guard === 's/mute') throw new Error('it died')
    return reportOf(guard === 's/deaf' ? broken : green)
  })

  expect(report.killed).toBe(0)
  expect(report.outcomes.map(({ outcome }) => outcome)).toEqual(['survived', 'survived', 'broken', 'broken'])
  expect(scoreLine(report)).toBe('kill score 0 of 4 · survived: s/weak, s/bare · broken: s/deaf, s/mute')
  expect(outcomesText(report)).toContain('node a did not come up')
  expect(outcomesText(report)).toContain('no scenario provokes it')
})

test('a survivor that is explained is counted apart, and is as known; one that is not, is killed all the same, or broke, is not', async () => {
  const tried = (explained: string[]) => {
    const uses = [use('strong', 'a'), use('kept', 'a'), use('bare'), use('deaf', 'a')].filter(
      ({ guard }) => guard !== 'deaf' || explained.includes('deaf'),
    )
    const because = Object.fromEntries(explained.map((guard) => [`s/${guard}`, `${guard} says it twice`]))
    const run: RunWithout = async (guard) => reportOf({ 's/strong': red, 's/deaf': broken }[guard] ?? green)
    return outcomes(uses, run, because)
  }

  const known = await tried(['kept', 'bare'])
  expect(known).toMatchObject({ killed: 1, explained: 2, guards: 3 })
  expect(known.outcomes.map(({ because }) => because)).toEqual([undefined, 'kept says it twice', 'bare says it twice'])
  expect(isAsKnown(known)).toBe(true)
  expect(scoreLine(known)).toBe('kill score 1 of 3 · explained: s/kept, s/bare')
  expect(outcomesText(known)).toMatch(/s\/kept +explained +- +\(kept says it twice\)/)

  const unknown = await tried(['bare'])
  expect([unknown.explained, isAsKnown(unknown)]).toEqual([1, false])
  expect(scoreLine(unknown)).toBe('kill score 1 of 3 · explained: s/bare · survived: s/kept')

  const seen = await tried(['strong', 'kept', 'bare'])
  expect([seen.killed, seen.explained, isAsKnown(seen)]).toEqual([1, 2, false])
  expect(scoreLine(seen)).toBe('kill score 1 of 3 · explained: s/kept, s/bare · seen: s/strong')
  expect(outcomesText(seen)).toMatch(/s\/strong +seen +claim: test +\(explained as what nobody can see: strong says/)

  const spoilt = await tried(['kept', 'bare', 'deaf'])
  expect([spoilt.explained, isAsKnown(spoilt)]).toEqual([2, false])
  expect(scoreLine(spoilt)).toBe('kill score 1 of 4 · explained: s/kept, s/bare · broken: s/deaf')
})

test('what was not tried any more is not as known', async () => {
  const signal = AbortSignal.abort()
  const report = await sabotageEach([use('g', 'a')], async () => reportOf(red), {
    ...{ atOnce: 1, signal, onOutcome: () => {} },
  })
  expect([report.outcomes, isAsKnown(report)]).toEqual([[], false])
})

test('a run that breaks leaves the word to the other scenarios', async () => {
  const report = await outcomes([use('g', 'a', 'b')], async (_, [file]) => reportOf(file === 'a' ? broken : red))

  expect(report.outcomes).toMatchObject([{ outcome: 'killed' }])
})

test('guards are chosen by name, and a wrong name is a failure', () => {
  const coverage = { uses: [use('one'), use('two')] } as unknown as GuardCoverage

  expect(chosenGuards(coverage, []).length).toBe(2)
  expect(chosenGuards(coverage, ['s/two'])).toEqual([use('two')])
  expect(() => chosenGuards(coverage, ['s/three'])).toThrow(expect.objectContaining({ code: 'HOLDFAST_GUARD_UNKNOWN' }))
})

test('guards of a program that is not ours are left in, and said so', () => {
  const theirs: GuardUse = { ...use('theirs'), service: 'broker', isForeign: true }
  const coverage = { uses: [use('one'), theirs] } as unknown as GuardCoverage

  expect(chosenGuards(coverage, [])).toEqual([use('one')])
  expect(foreignText(coverage)).toBe('1 guard of broker: not of our services, left in')
  expect(foreignText({ ...coverage, uses: [use('one')] })).toBeUndefined()
  const failure = expect.objectContaining({ code: 'HOLDFAST_NOT_SUPPORTED' })
  expect(() => chosenGuards(coverage, ['broker/theirs'])).toThrow(failure)
})

let folder: string
beforeAll(async () => {
  // Below the package, so that it imports 'holdfast/vitest'; where no check of the sources looks.
  const scratch = join(import.meta.dirname, '..', '..', '.holdfast', 'scratch')
  await mkdir(scratch, { recursive: true })
  folder = await mkdtemp(join(scratch, 'sabotage-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** In a folder whose only scenario is over a topology, and holds these lines. */
async function sabotaged(topology: string, lines: string, ...argv: string[]) {
  const cwd = await mkdtemp(join(folder, 'of-'))
  await mkdir(join(cwd, 'claim'))
  const scenario = `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('${topology}')
    ${lines}`
  await writeFile(join(cwd, 'claim', 'claim.scenario.ts'), scenario)
  const main = join(import.meta.dirname, 'main.ts')
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, 'sabotage', ...argv], { cwd }, (failure, stdout, stderr) => {
      resolve({ code: failure?.code ?? 0, stdout, stderr })
    })
  })
}

test('scenarios that are red beforehand prove nothing, so nothing is taken out', async () => {
  const { code, stderr } = await sabotaged('separate-auth', `test('fails anyway', () => expect(1).toBe(2))`)

  expect(code).toBe(1)
  expect(stderr).toContain('with all guards in place, claim: fails anyway failed')
  expect(stderr).toContain('HOLDFAST_SABOTAGE_RED')
}, 300_000)

test('a survivor whose reason is written down is no failure, and one beside it whose reason is not is one', async () => {
  const [explained] = knownCauses().flatMap(({ guards = [] }) => guards)
  const [service] = explained!.split('/')
  const [other] = Object.keys(await declaredGuards(service!)).filter(
    (guard) => whyUnmissed(`${service}/${guard}`) === undefined,
  )
  const asksNothing = `test('asks nothing', async ({ site }) => expect(site.node('gateway-b').logs()).not.toEqual([]))`
  const run = (...guards: string[]) =>
    sabotaged('federation', asksNothing, '--json', ...guards.flatMap((guard) => ['--guard', guard]))

  const [alone, beside] = await Promise.all([run(explained!), run(explained!, `${service}/${other}`)])

  expect([alone.code, JSON.parse(alone.stdout)]).toMatchObject([0, { killed: 0, explained: 1, guards: 1 }])
  expect([beside.code, JSON.parse(beside.stdout)]).toMatchObject([
    1,
    {
      ...{ killed: 0, explained: 1, guards: 2 },
      outcomes: [
        { guard: explained, outcome: 'survived', because: whyUnmissed(explained!) },
        { guard: `${service}/${other}`, outcome: 'survived' },
      ],
    },
  ])
}, 300_000)
