import type { Site } from '../backends/backend.ts'
import { protocols } from '../shipped.ts'
import { CellCredentials } from '../site/cell-credentials.ts'
import { FreshCredentials } from '../site/fresh-credentials.ts'
import { ScenarioSite } from '../site/scenario-site.ts'
import type { Cell } from '../trust/cell.ts'
import type { Calls } from './demonstration.ts'

/** The call machinery of scenarios on a site of ours, so that a demonstration proves what a scenario would. */
export function callsOf(site: Site, again: string): Calls & AsyncDisposable {
  const fresh = new FreshCredentials(site)
  const cells = new CellCredentials(site)
  const shared = { anchors: new Map(), pictures: new Map() }
  const caller = new ScenarioSite(site, { name: 'demonstration', again }, shared, protocols)
  return {
    credential: Object.assign((name: string) => fresh.named(name), { of: (cell: Cell) => cells.of(caller, cell) }),
    call: (from, to, action, credential) => caller.call(from, to, action, credential),
    [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose](),
  } satisfies Calls & AsyncDisposable
}
