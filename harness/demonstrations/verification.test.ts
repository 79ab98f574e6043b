import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { renderVerification } from '../cli/verification-text.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import { until } from '../site/until.ts'
import { type Defect, runningOn, type Step, verifiedRows, verify, verifyPlanted } from './verification.ts'

/** What holds on a site: a name for each thing. */
const whole = () => new Set(['first', 'second', 'third'])
let holding = whole()

/** Processes that `web` was started as, in their order. */
let started = [1]
const events = () => started.map((pid) => ({ event: 'unit-started', node: 'one', unit: 'web', pid }))
const site = { until, plan: { nodes: { one: {} } }, site: { events } } as unknown as ScenarioSite
const step = (name: string, thing: string, on: string[] = []): Step => ({
  ...{ name, on },
  check: async (checks) => {
    checks.is('what is there', thing, thing)
    checks.holds(`${thing} is missing`, holding.has(thing))
  },
})
const steps = [step('T1 first', 'first'), step('T2 second', 'second', ['T1']), step('T3 third', 'third', ['T2'])]
const without = (what: string, of: string, ...things: string[]): Defect => ({
  ...{ what, step: of, found: /^(second|third) is missing$/ },
  plant: async () => {
    for (const thing of things) holding.delete(thing)
    return async () => {
      holding = whole()
    }
  },
})

test('a step says nothing where what it stands on is red, however far below', async () => {
  holding.delete('first')
  const { made, red, marker } = await verify(steps, site)
  holding = whole()

  expect(made).toEqual({ 'T1 first': 2 })
  expect(red).toEqual({ 'T1 first': ['first is missing'] })
  expect(marker).toBeUndefined()
  expect(await verify(steps, site)).toMatchObject({ red: {}, marker: 'verified by checks: T1 2, T2 2, T3 2' })
})

test('up to the first red step, nothing that comes after it is looked at', async () => {
  const apart = [step('T1 first', 'first'), step('T2 second', 'second')]
  holding.delete('first')
  const found = await verify(apart, site, { upToRed: true })
  holding = whole()

  expect(found).toEqual({ told: {}, made: { 'T1 first': 2 }, red: { 'T1 first': ['first is missing'] } })
  expect(await verify(apart, site, { upToRed: true })).toMatchObject({ made: { 'T1 first': 2, 'T2 second': 2 } })
})

test('what a step saw is told where it holds, and not where it is red', async () => {
  const told: Step = {
    name: 'T1 told',
    on: [],
    check: async (checks) => {
      checks.holds('first is missing', holding.has('first'))
      checks.tell('one thing', 'is there')
    },
  }
  const shown = async () => {
    const rows = await verifiedRows({ steps: [told], defects: [] }, site)
    return { rows, text: stripVTControlCharacters(renderVerification(rows, 200)) }
  }
  const { rows, text } = await shown()
  holding.delete('first')
  const red = await shown()
  holding = whole()

  expect(rows).toMatchObject([{ asExpected: true, told: 'one thing is there' }])
  expect(text).toMatch(/T1 told +1 +holds\n +one thing is there$/)
  expect(red.rows[0]).not.toHaveProperty('told')
  expect(red.text).toMatch(/first is missing$/)
})

test('a step that cannot be made is red, for that', async () => {
  const broken: Step = { name: 'T1 first', on: [], check: () => Promise.reject(new Error('nobody there')) }

  expect(await verify([broken], site)).toMatchObject({ red: { 'T1 first': ['nobody there'] } })
})

test('a defect must turn its step red, for what it is, that one alone, and be gone afterwards', async () => {
  const problems = async (defect: Defect) => (await verifyPlanted(steps, defect, site)).problems
  const apart = [step('T1 first', 'first'), step('T2 second', 'second')]

  expect(await problems(without('no second', 'T2 second', 'second'))).toEqual([])
  expect(await problems(without('nothing at all', 'T2 second'))).toEqual(['T2 second stayed green'])
  expect(await problems({ ...without('no second', 'T2 second', 'second'), found: /third/ })).toEqual([
    'T2 second is red for something else than /third/: second is missing',
  ])
  const both = without('neither', 'T2 second', 'first', 'second')
  expect(await verifyPlanted(apart, both, site)).toMatchObject({
    problems: ['T1 first is red, too: first is missing'],
  })
})

test('a step is told what ran before the defect, or after it where that takes a start', async () => {
  const status: Step = {
    ...{ name: 'T1 status', on: [] },
    check: async (checks, site, before) => checks.is('its process', [...runningOn(site)], [...before]),
  }
  const again = { what: 'again', step: status.name, found: /^its process is/ } satisfies Partial<Defect>
  const plant = async () => {
    started = [1, 2]
    return async () => {}
  }
  const { red, problems } = await verifyPlanted([status], { ...again, plant }, site)

  expect(red).toEqual({ 'T1 status': ['its process is [["one/web",2]], and must be [["one/web",1]]'] })
  expect(problems).toEqual([])
  const meant = await verifyPlanted([status], { ...again, restarts: true, plant }, site)
  expect(meant.problems).toEqual(['T1 status stayed green'])
  const [row] = await verifiedRows({ steps: [status], defects: [] }, site)
  expect(row?.problems).toEqual(['its process is [["one/web",2]], and must be [["one/web",1]]'])
  started = [1]
})

test('rows tell the steps as they are, then what turned each red; where one is red already, nothing is planted', async () => {
  const elsewhere = { ...without('no third', 'T3 third', 'third'), node: 'two' }
  const verifiable = { steps, defects: [without('no second', 'T2 second', 'second'), elsewhere] }
  const told: string[] = []
  const rows = await verifiedRows(verifiable, site, ({ step, planted = 'as it is' }) =>
    told.push(`${step}: ${planted}`),
  )

  expect(told).toEqual(['T1 first: as it is', 'T2 second: as it is', 'T3 third: as it is', 'T2 second: no second'])
  expect(rows.every(({ asExpected }) => asExpected)).toBe(true)
  expect(rows.at(-1)).toMatchObject({ checks: 2, found: ['second is missing'], problems: [] })
  expect(renderVerification(rows)).toMatch(/✓ +no second +T2 +second is missing/)
  holding.delete('second')
  const red = await verifiedRows(verifiable, site)
  holding = whole()
  expect(red.map(({ asExpected }) => asExpected)).toEqual([true, false, false])
  expect(red[2]?.problems).toEqual(['not judged: it stands on T2'])
  expect(renderVerification(red)).toMatch(/✗ +T2 second +2 +second is missing/)
})

test('no line is wider than 120 columns, nor than the terminal', async () => {
  const long = 'a thing that is told in more words than any line has place for, '.repeat(4)
  const row = {
    step: 'T3 hand-over folder, from both hosts',
    checks: 49,
    found: [long],
    problems: [],
    asExpected: true,
  }
  const widest = (within: number) => {
    const text = stripVTControlCharacters(renderVerification([row, { ...row, planted: long.slice(0, 60) }], within))
    return Math.max(...text.split('\n').map((line) => line.length))
  }

  expect(widest(Number.POSITIVE_INFINITY)).toBeLessThanOrEqual(120)
  expect(widest(80)).toBeLessThanOrEqual(80)
})
