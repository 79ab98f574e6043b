import type { Demonstrated } from './demonstration.ts'

const token = 'cluster-token'
/** One call, whatever is presented: a run that all calls share, so that only the first one begins it. */
const run = { from: 'operator', to: 'orc-3', action: 'pipeline:run' }
const none = (named: Parameters<Demonstrated['credential']>[0]) => named(token).without('secret')

const accepted: Demonstrated = {
  ...run,
  presents: 'the token of the cluster',
  credential: (named) => named(token),
  expected: 'accepted',
  because: 'who has the token is a member, and nobody learns which',
}

/** What a cluster that shares one token accepts and refuses, directly and through nginx. */
export const bearerCluster: readonly Demonstrated[] = [
  accepted,
  {
    ...run,
    presents: 'the same, through nginx',
    credential: (named) => named(token),
    options: { through: 'edge' },
    expected: 'accepted',
    because: 'nginx hands on what its callers present',
  },
  {
    ...{ from: 'stranger', to: 'orc-1', action: 'cluster:read' },
    presents: 'nothing, for what may be read',
    credential: none,
    expected: 'accepted',
    because: 'reads are open, and tell no secret',
  },
  {
    ...run,
    presents: 'nothing',
    credential: none,
    expected: { status: 401, reason: 'credential_missing' },
    because: 'what changes anything takes the token, whatever its method',
    beside: accepted,
  },
  {
    ...run,
    presents: 'nothing, through nginx',
    credential: none,
    options: { through: 'edge' },
    expected: { status: 401, reason: 'credential_missing_via_proxy' },
    because: 'a proxy gives no rights; and who lost the header on the way finds that here',
    beside: accepted,
  },
  {
    ...run,
    presents: 'another token of the same form',
    credential: (named) =>
      named(token).with('secret', (own) => own.replaceAll(/[0-9]/g, (one) => String(9 - Number(one)))),
    expected: { status: 401, error: 'invalid_token', reason: 'token_unknown' },
    because: 'all of it is compared, in one time',
    beside: accepted,
  },
  {
    ...run,
    presents: 'the token, in the query',
    credential: (named) => named(token),
    options: { put: { secret: { query: 'access_token' } } },
    expected: { status: 400, error: 'invalid_request', reason: 'carrier_in_query' },
    because: 'URLs are written down everywhere',
    beside: accepted,
  },
]
