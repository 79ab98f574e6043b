import { expect, test } from 'vitest'
import { clubhouse } from '../docs/guides/examples/clubhouse/index.ts'
import lab from '../docs/guides/examples/clubhouse/lab.ts'
import { compile } from '../harness/shipped.ts'
import type { ServiceKind } from '../harness/topology/kind.ts'
import { LoadedTopology } from '../harness/topology/loaded-topology.ts'

type Declared = ReturnType<typeof lab.instance>

const planOf = (changed: (topology: Declared) => Partial<Declared> = () => ({})) => {
  const topology = lab.instance({})
  return compile(new LoadedTopology('lab', { ...topology, ...changed(topology) }, {}, { kinds: [clubhouse] }))
}
/** With a clubhouse whose action is another one. */
const planWith = (takes: readonly string[], carrier: 'bearer' | 'none') => {
  const kind: ServiceKind = {
    ...clubhouse,
    actions: { 'clubhouse:enter': { ...clubhouse.actions!['clubhouse:enter']!, carrier } },
    plan: (unit) => ({ ...clubhouse.plan(unit), verification: { 'clubhouse:enter': { takes: [takes], checks: [] } } }),
  }
  return compile(new LoadedTopology('lab', lab.instance({}), {}, { kinds: [kind] }))
}
const withSecret = (changed: object) => () =>
  planOf(({ credentials }) => {
    return {
      credentials: { ...credentials, 'secret-of-north': { ...credentials['secret-of-north'], ...changed } as never },
    }
  })

test('its maker makes it first and hands it to itself, all others wait for that', () => {
  const { nodes, credentials } = planOf()
  const unitAt = (node: string) => nodes[node]!.units.find(({ name }) => name === 'secret-of-north')!
  const file = '@{dir}/secrets/secret-of-north'
  const receive = { from: 'north', source: { file }, to: { path: '@{dir}/club/secret', mode: '0400' } }

  expect(unitAt('north')).toMatchObject({
    after: [],
    steps: [{ secret: { path: file, bytes: 32, as: 'hex' } }, { receive }],
  })
  expect(unitAt('bob')).toMatchObject({ after: ['north/secret-of-north'], steps: [{ receive }] })
  expect(nodes.carol!.units.map(({ name }) => name)).not.toContain('secret-of-north')
  expect(credentials['secret-of-north']!.files).toEqual({
    alice: '@{dir}/club/secret',
    bob: '@{dir}/club/secret',
    north: '@{dir}/club/secret',
  })
})

test('who makes it is one of those that know it', () => {
  expect(withSecret({ issuer: 'carol' })).toThrow(
    'credentials.secret-of-north.issuer: "carol" makes it, and is not among its holders',
  )
})

test('who accepts it must hold it', () => {
  const wrong = () => planOf(({ accepts }) => ({ accepts: [...accepts, { ...accepts[0]!, target: 'south' }] }))
  expect(wrong).toThrow('"south" cannot accept "secret-of-north": it does not hold it, and there is nobody to ask')
})

test('it is handed over as a copy, and an action that takes secrets takes nothing else', () => {
  expect(withSecret({ handover: 'mint' })).toThrow(
    '"mint" does not fit a bearer-secret: all its holders have the same one',
  )
  const wrong = () => planOf(({ accepts }) => ({ accepts: [...accepts, { ...accepts[0]!, credential: 'cert-north' }] }))
  expect(wrong).toThrow('"clubhouse:enter" takes a bearer-secret, and "cert-north" is a certificate')
})

test('who calls with it holds it', () => {
  const wrong = () => planOf(({ accepts }) => ({ accepts: [...accepts, { ...accepts[0]!, by: 'carol' }] }))
  expect(wrong).toThrow(
    'accepts[3].by: "carol" does not hold "secret-of-north"; name one of alice, bob, north, or add "carol" to its holders',
  )
})

test('an action that takes what there is not, or what it does not carry, is a mistake of its own', () => {
  expect(() => planWith(['bearer-secrets'], 'bearer')).toThrow(
    '"clubhouse:enter" takes a "bearer-secrets", and there is no such credential kind; let its service kind name one of certificate, bound-token, bearer-secret',
  )
  expect(() => planWith(['bearer-secret'], 'none')).toThrow(
    '"clubhouse:enter" takes a bearer-secret, and has the carrier "none"; let its service kind name another carrier',
  )
})
