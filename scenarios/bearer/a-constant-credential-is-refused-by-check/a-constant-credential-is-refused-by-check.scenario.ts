import { expect, scenario } from 'holdfast/vitest'
import { clusterWith, mistakesOf, planned } from '../declared.ts'

const test = scenario('bearer-cluster')

type Change = NonNullable<Parameters<typeof mistakesOf>[1]>
type Settings = Record<string, unknown>

const proxy = 'nodes.edge.units.proxy'
const ofProxy =
  (settings: Settings): Change =>
  ({ nodes }) =>
    void Object.assign((nodes.edge!.units.proxy as { settings: Settings }).settings, settings)

test('as it is declared nothing is wrong with it, whatever else nginx makes of the header', async () => {
  for (const edge of ['forward', 'plain', 'strip', 'no-headers', 'cache']) {
    expect(await mistakesOf({ edge }), edge).toEqual([])
  }
})

test.for<[string, Readonly<Record<string, string>>, Change | undefined, RegExp]>([
  [
    'one credential for everybody',
    { edge: 'constant' },
    undefined,
    /^nodes\.edge\.units\.proxy\.settings\.authorization: sets one credential for everybody who comes through/,
  ],
  [
    'the same, written as a field',
    {},
    ofProxy({ headers: { Authorization: 'Bearer 0123456789abcdef0123456789abcdef' } }),
    /^nodes\.edge\.units\.proxy\.settings\.headers: sets one credential for everybody who comes through/,
  ],
  [
    'a location that sets a field, and so loses the others',
    {},
    ofProxy({ locations: { '/v1/': { headers: { 'X-Cluster': 'yes' } } } }),
    /inherits none of the others: .*Authorization; repeat them there: .*proxy_set_header Authorization "\$http_authorization";/,
  ],
  [
    'a proxy that holds the token',
    {},
    ({ credentials }) =>
      void Object.assign(credentials['cluster-token']!, { holders: ['operator', 'orc-1', 'orc-2', 'orc-3', 'edge'] }),
    /^nodes\.edge\.units\.proxy: its node holds "cluster-token", which a proxy never needs/,
  ],
  [
    'a holder to whom nobody hands it',
    {},
    ({ credentials }) => void delete (credentials['cluster-token'] as { handover?: unknown }).handover,
    /^credentials\.cluster-token\.handover: /,
  ],
  [
    'a node that accepts what it does not hold',
    {},
    ({ credentials }) => void Object.assign(credentials['cluster-token']!, { holders: ['operator', 'orc-1', 'orc-3'] }),
    /"orc-2" cannot accept "cluster-token": it does not hold it/,
  ],
  [
    'two nodes',
    { orchestrators: '2' },
    undefined,
    /is one of two nodes of "cluster": without either of them there is no majority/,
  ],
])('%s is refused by the check, by name, and no plan comes of it', async ([, set, change, message]) => {
  const found = await mistakesOf(set, change)

  expect(found.filter((mistake) => message.test(mistake))).not.toEqual([])
  const topology = await clusterWith(set, change)
  // Nothing starts but from a plan.
  expect(() => planned(topology)).toThrow()
})

test('what it would present for everybody is repeated nowhere', async () => {
  const secret = 'Bearer 0123456789abcdef0123456789abcdef'
  const found = await mistakesOf({}, ofProxy({ headers: { Authorization: secret } }))

  expect(found.join('\n')).toContain(proxy)
  expect(found.join('\n')).not.toContain(secret.slice(7, 15))
})
