import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  coverageText,
  type GuardCoverage,
  guardCoverage,
  type ScenarioEvidence,
  uncoveredGuards,
  uncoveredReasons,
} from './coverage.ts'

const folders: string[] = []
let coverage: GuardCoverage

const unit = (name: string, service: string) => ({ name, service: { command: { program: { service } } } })
const plan = { nodes: { a: { name: 'a', units: [unit('gate', 'guarded'), unit('other', 'unguarded')] } } }
const declared = { guarded: { 'g.one': ['first', 'second'], 'g.two': ['third'] }, unguarded: {} }

type Refusal = [unit: string, guard: string, reason: string]

async function evidence(file: string, refusals: Refusal[]): Promise<ScenarioEvidence> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-coverage-'))
  folders.push(folder)
  const decisions = refusals.map(([of, guard, reason]) => ({ verdict: 'refused', node: 'a', unit: of, guard, reason }))
  const lines = [
    ...decisions.map((decision) => ({ at: '', kind: 'decision', decision })),
    { at: '', kind: 'decision', decision: { verdict: 'accepted', node: 'a', unit: 'gate', guard: null } },
    // What a call expected proves nothing: only the service's own record does.
    { at: '', kind: 'call', call: { verdict: 'refused', guard: 'g.two', reason: 'third' } },
  ]
  await writeFile(join(folder, 'plan.json'), JSON.stringify(plan))
  await writeFile(join(folder, 'history.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return { file, folder }
}

beforeAll(async () => {
  const many: Refusal = ['gate', 'g.one', 'first']
  const runs = await Promise.all([
    evidence('broad.scenario.ts', [many, many, ['gate', 'g.odd', 'what'], ['gate', 'g.odd', 'what']]),
    evidence('narrow.scenario.ts', [many, ['nobody', 'g.two', 'third']]),
  ])
  coverage = await guardCoverage(runs, async (service) => declared[service as keyof typeof declared])
})
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))))

test('a guard and a reason are covered by what the service itself recorded', () => {
  expect(coverageText(coverage)).toBe('guards covered 1 of 2 (reasons 1 of 3) of guarded')
  expect(uncoveredGuards(coverage)).toEqual(['guarded/g.two'])
  expect(uncoveredReasons(coverage)).toEqual(['guarded/g.one second', 'guarded/g.two third'])
})

test('the guards of a kind that declares them count by its name; those of nobody in the run do not', async () => {
  const run = await evidence('own.scenario.ts', [['door', 'door.caller', 'stranger']])
  const guards = { 'door.caller': ['stranger', 'unknown'] }
  const door = {
    ...unit('door', ''),
    kind: 'gateway',
    guards,
    service: { command: { program: { script: 'door.mjs' } } },
  }
  await writeFile(join(run.folder, 'plan.json'), JSON.stringify({ nodes: { a: { name: 'a', units: [door] } } }))

  const own = await guardCoverage([run], async () => ({ 'g.elsewhere': ['never'] }))

  expect(coverageText(own)).toBe('guards covered 1 of 1 (reasons 1 of 2) of gateway')
  expect(uncoveredReasons(own)).toEqual(['gateway/door.caller unknown'])
  expect([own, coverage].map(({ uses }) => uses.map(({ isForeign }) => isForeign))).toEqual([
    [true],
    [undefined, undefined],
  ])
})

test('the scenario that is about little else comes first', () => {
  const [one] = coverage.uses
  expect(one).toMatchObject({ service: 'guarded', guard: 'g.one' })
  expect(one?.scenarios).toEqual(['narrow.scenario.ts', 'broad.scenario.ts'])
  expect(one?.reasons).toEqual([
    { name: 'first', scenarios: ['narrow.scenario.ts', 'broad.scenario.ts'] },
    { name: 'second', scenarios: [] },
  ])
})

test('a refusal that its service does not declare is told', () => {
  expect(coverage.undeclared).toEqual(['guarded/g.odd what'])
})

test('where no service declares guards there is nothing to say', async () => {
  const nothing = await guardCoverage([await evidence('any.scenario.ts', [])], async () => ({}))
  expect(coverageText(nothing)).toBeUndefined()
})

test('a run that left no record is told, and the others count all the same', async () => {
  const run = await evidence('whole.scenario.ts', [['gate', 'g.one', 'first']])
  const dead = await evidence('dead.scenario.ts', [])
  await rm(join(dead.folder, 'history.jsonl'))

  const some = await guardCoverage([dead, run], async (service) => declared[service as keyof typeof declared])

  expect(some.unrecorded).toEqual([dead])
  expect(coverageText(some)).toBe(
    'guards covered 1 of 2 (reasons 1 of 3) of guarded, without 1 of the runs, which left no record',
  )
})
