import type { Site } from '../backends/backend.ts'
import { callParts } from '../shipped.ts'
import { CellCredentials } from '../site/cell-credentials.ts'
import { ScenarioSite } from '../site/scenario-site.ts'
import type { Cell } from '../trust/cell.ts'
import type { Calls } from './demonstration.ts'

/** The call machinery of scenarios on a site of ours, so that a demonstration proves what a scenario would. */
export async function callsOf(site: Site, again: string): Promise<Calls & AsyncDisposable> {
  const parts = await callParts()
  const cells = new CellCredentials(site, parts.live)
  const shared = { pictures: new Map() }
  const caller = new ScenarioSite(site, { name: 'demonstration', again }, shared, parts)
  return {
    credential: Object.assign((name: string) => caller.credentials.named(name), {
      of: async (cell: Cell) => cells.of(cell),
    }),
    call: (from, to, action, credential) => caller.call(from, to, action, credential),
    [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose](),
  } satisfies Calls & AsyncDisposable
}
