import { expect, test } from 'vitest'
import { enterHops, hopsTo, mendingLine } from './hops.ts'
import type { Hop, PlanNode } from './plan.ts'
import type { ActionVerification } from './verification.ts'

const mend = { file: '@{unit}/proxy.conf', place: 'server', line: 'set {field} $http_{variable};' }
const hop: Hop = { listener: 'main', to: { node: 'shop', listener: 'api' }, ends: ['certificate'], mend }

const secretMissing: ActionVerification['checks'][number] = {
  check: 'bearer-secret/presented',
  guard: 'door',
  reason: 'missing',
  layer: 'http',
  status: 401,
  error: null,
}
const verification: ActionVerification = {
  takes: [['bearer-secret']],
  checks: [secretMissing],
  fields: { secret: 'Authorization' },
  ways: {
    'in a field of its own': { call: { put: 1 }, fields: { secret: 'X-Club' } },
    'in a cookie': { call: { put: 2 }, fields: {}, loses: ['secret'] },
  },
}

function nodesWith(how: Partial<Hop>, more: Partial<ActionVerification> = {}): Record<string, PlanNode> {
  const unit = { ...unitOf('door'), actions: { enter: { listener: 'api' }, leave: { listener: 'back' } } }
  const judged = { enter: { ...verification, ...more }, leave: verification }
  const nodes = {
    shop: nodeOf('shop', { ...unit, verification: judged }),
    edge: nodeOf('edge', { ...unitOf('proxy'), hop: { ...hop, ...how } }),
  }
  enterHops(nodes)
  return nodes
}

const unitOf = (name: string) => ({ name, kind: 'made-up', summary: '', after: [], files: [], steps: [] })
const nodeOf = (name: string, unit: object) =>
  ({ name, host: `${name}.test`, domain: 'd', units: [unit] }) as unknown as PlanNode
const waysOf = (nodes: Record<string, PlanNode>, action = 'enter') => nodes.shop!.units[0]!.verification![action]!.ways!

test('what can be tried at a listener can be tried through whoever hands calls on to it, in each of its ways', () => {
  const nodes = nodesWith({})
  expect(Object.keys(waysOf(nodes))).toEqual([
    ...Object.keys(verification.ways!),
    'through edge',
    'in a field of its own, through edge',
    'in a cookie, through edge',
  ])
  expect(waysOf(nodes)['through edge']).toEqual({ call: { through: 'edge' }, loses: ['certificate'] })
  expect(waysOf(nodes)['in a cookie, through edge']).toEqual({
    ...{ call: { put: 2, through: 'edge' }, fields: {} },
    loses: ['secret', 'certificate'],
  })
  // It hands nothing on to another listener.
  expect(waysOf(nodes, 'leave')).toEqual(verification.ways)
})

test('what it takes away does not come through, whatever part stands there', () => {
  const lost = (takes: Hop['takes']) =>
    ['through edge', 'in a field of its own, through edge'].map((way) => waysOf(nodesWith({ takes }))[way]!.loses)
  expect(lost(['authorization'])).toEqual([['certificate', 'secret'], ['certificate']])
  expect(lost(['x-club'])).toEqual([['certificate'], ['certificate', 'secret']])
  expect(lost('all')).toEqual([
    ['certificate', 'secret'],
    ['certificate', 'secret'],
  ])
})

test('what ends there does not come through, and what does not end there does', () => {
  expect(waysOf(nodesWith({ ends: undefined }))['through edge']!.loses).toEqual([])
})

test('a target that knows it as a proxy gives other reasons', () => {
  const behind = { missing: 'missing_via_proxy' }
  expect(waysOf(nodesWith({}, { behind }))['through edge']!.reasons).toEqual(behind)
})

test('who hands calls on to a listener is found by it', () => {
  const nodes = nodesWith({})
  expect(hopsTo(nodes, hop.to)).toEqual([{ node: 'edge', unit: 'proxy', ...hop }])
  expect(hopsTo(nodes, { node: 'shop', listener: 'back' })).toEqual([])
  expect(hopsTo(nodes, { node: 'edge', listener: 'api' })).toEqual([])
})

test('the line that hands a field on is written for that field', () => {
  expect(mendingLine({ ...hop, mend: { ...mend, line: 'set {field} $http_{variable};' } }, 'X-Club-Key')).toBe(
    'set X-Club-Key $http_x_club_key;',
  )
})
