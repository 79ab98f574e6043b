import { expect, type TestAPI, test } from 'vitest'
import { SharedControls } from '../site/ledger.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import { Gates } from './gates.ts'
import { closeControls } from './matrix.ts'
import type { ScenarioFixtures } from './scenario.ts'

/** The test that it makes, over a site on which no refusal was held against the call of another test. */
function closing(...least: number[]): () => Promise<void> {
  let made: ((fixtures: object) => Promise<void>) | undefined
  const api = (_: string, body: typeof made) => {
    made = body
  }
  closeControls(api as unknown as TestAPI<ScenarioFixtures>, new Gates(), ['b b:read'], ...least)
  const site = { shareControls: () => new SharedControls<ScenarioSite>() }
  return () => made!({ site, skip: expect.unreachable })
}

test('where all refusals must have been held against shared calls, none of them is a failure', async () => {
  await expect(closing()()).rejects.toThrow('expected 0 to be greater than or equal to 1')
})

test('where each chosen case may have made a call of its own, there may be none to hold', async () => {
  await expect(closing(0)()).resolves.toBeUndefined()
})
