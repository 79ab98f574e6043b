import { Federation } from 'holdfast/demonstrations/federation'
import type { ScenarioFixtures } from 'holdfast/vitest'

export {
  type EnrolledPeer,
  type EnrolOptions,
  type Federation,
  type Invited,
  identityFrom,
  type Looked,
  type OddRequest,
  Peer,
  places,
  type Reply,
  requestFor,
  type ScopeDocument,
  Seed,
  scopeDocument,
} from 'holdfast/demonstrations/federation'

/** `scenario('federation').extend('federation', federation)`: the gateways of the site, as this test sees them. */
export const federation = ({ site }: Pick<ScenarioFixtures, 'site'>) => new Federation(site)
