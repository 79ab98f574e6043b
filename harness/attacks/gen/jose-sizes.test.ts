import { expect, test } from 'vitest'
import type { DecisionRecord } from '../../evidence/decision.ts'
import { boundOn } from '../../site/bound.ts'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import { demandSoon } from './jose-sizes.ts'

const demandedOf = (ms: number, decision?: number, slowness?: number) => {
  const demands: [boolean, string][] = []
  const site = { bound: (bound: number) => boundOn({ slowness }, bound) } as ScenarioSite
  const lab = { site, demand: (...demand: [boolean, string]) => void demands.push(demand) }
  demandSoon(lab, { ms, decision: decision === undefined ? undefined : ({ ms: decision } as DecisionRecord) })
  return demands[0]
}

test('a target that records its time is held to that', () => {
  expect(demandedOf(900, 100)?.[0]).toBe(true)
  expect(demandedOf(900, 101)).toEqual([false, 'it took 101 ms to say no, and may take 100 ms'])
  expect(demandedOf(900, 600, 6)?.[0]).toBe(true)
  expect(demandedOf(900, 601, 6)).toEqual([false, 'it took 601 ms to say no, and may take 600 ms'])
})

test('a target that records nothing is held to what the caller waited', () => {
  expect(demandedOf(1_000)?.[0]).toBe(true)
  expect(demandedOf(1_001)).toEqual([false, 'it took 1001 ms to say no, and may take 1000 ms'])
})
