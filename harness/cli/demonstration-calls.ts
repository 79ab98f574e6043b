import type { Site } from '../backends/backend.ts'
import { protocols } from '../shipped.ts'
import { FreshCredentials } from '../site/fresh-credentials.ts'
import { ScenarioSite } from '../site/scenario-site.ts'
import type { Calls } from './demonstration.ts'

/** The call machinery of scenarios on a site of ours, so that the demonstration proves what a scenario would. */
export function callsOf(site: Site): Calls & AsyncDisposable {
  const credentials = new FreshCredentials(site)
  const caller = new ScenarioSite(
    site,
    { name: 'demonstration', again: 'npm start' },
    { anchors: new Map(), pictures: new Map() },
    protocols,
  )
  return {
    credential: (name) => credentials.named(name),
    call: (from, to, action, credential) => caller.call(from, to, action, credential),
    [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose](),
  }
}
