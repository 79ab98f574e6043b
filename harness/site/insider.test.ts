import { expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import { callParts, compile } from '../shipped.ts'
import { loadTopology } from '../topology/load.ts'
import type { Plan, PlanUnit } from '../topology/plan.ts'
import { endTokens, hasKeyBeside, insiderAt, NotOurs, operatorOf, signingKeyOf } from './insider.ts'
import { ScenarioSite, SharedKnowledge } from './scenario-site.ts'

const plan = compile(await loadTopology('shared-auth'))

/** Nothing runs there: what is read is its own path. */
function siteOf(plan: Plan): Site {
  const at = { dir: '/run', readFile: async (path: string) => JSON.stringify(path) }
  const addresses = { default: '127.0.0.1' }
  const nodes = new Map(Object.keys(plan.nodes).map((name) => [name, { ...at, name, addresses }]))
  return { plan, nodes, node: (name: string) => nodes.get(name) } as unknown as Site
}

async function scenarioAt(plan: Plan): Promise<ScenarioSite> {
  return new ScenarioSite(siteOf(plan), { name: 'a test', again: 'again' }, new SharedKnowledge(), await callParts())
}

test('what lies on a node is read where its kind says, and who operates it has a certificate that is named there', async () => {
  expect(await (await scenarioAt(plan)).signingKey('auth')).toBe('/run/units/auth/signing.json')
  for (const node of ['auth', 'node-a']) {
    const { node: holder, identity } = await operatorOf(siteOf(plan), node)
    expect([holder, identity.certPem]).toEqual(['auth', '"/run/credentials/operator/cert.pem"'])
  }
})

test('what somebody else keeps is not ours, and named; what was forgotten to be said is another thing', async () => {
  const { auth, ...others } = plan.nodes
  const units = auth!.units.map((unit) => ({ ...unit, insider: unit.insider && ({ foreign: true } as const) }))
  const site = siteOf({ ...plan, nodes: { ...others, auth: { ...auth!, units } } })

  await expect(signingKeyOf(site, 'auth')).rejects.toThrow(new NotOurs('the key of auth'))
  await expect(endTokens(site, 'auth', 'revoke')).rejects.toThrow('the way to end tokens of auth is not ours')
  await expect(signingKeyOf(siteOf(plan), 'node-a')).rejects.toThrow('says nothing of "mints" for insiders')
  expect(hasKeyBeside(site, 'auth')).toBe(false)
})

test('every name that a shipped kind says of itself is there', () => {
  const ofMember = new Map<string, number>()
  for (const unit of Object.values(plan.nodes).flatMap(({ units }) => units)) {
    for (const member of Object.keys(unit.insider ?? {})) ofMember.set(member, (ofMember.get(member) ?? 0) + 1)
    const { operator, standIn, start, mints } = unit.insider ?? {}
    const listeners = unit.service?.listeners.map(({ name }) => name)
    expect(listeners ?? []).toEqual(
      expect.arrayContaining([operator?.listener, ...Object.values(standIn ?? {})].flatMap((one) => one ?? [])),
    )
    if (mints?.asked !== undefined) expect(Object.keys(unit.actions ?? {})).toContain(mints.asked)
    if (start === undefined) continue
    expect(unit.service?.command?.args).toContain(start.configuration)
    const configuration = unit.files.find(({ path }) => path === start.configuration)?.json
    for (const name of start.listens) expect(memberOf(configuration, name)).toMatch(/^@\{address}:\d+$/)
    for (const name of start.writes) expect(memberOf(configuration, name)).toMatch(/^@\{unit}\//)
    expect(textsIn(configuration).filter((text) => text.startsWith('@{address}:'))).toHaveLength(start.listens.length)
  }
  expect(Object.fromEntries(ofMember)).toEqual({
    signs: 1,
    mints: 1,
    standIn: 1,
    ends: 1,
    operator: 3,
    asks: 2,
    start: 3,
  })
})

function memberOf(value: unknown, name: string): unknown {
  return name.split('.').reduce((inner, member) => (inner as Record<string, unknown>)[member], value)
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

test('of a kind that says nothing, a test is told what it would have to say, and who says it', () => {
  const silent = structuredClone(plan)
  for (const unit of silent.nodes['node-a']!.units) delete unit.insider
  const members = ['signs', 'mints', 'standIn', 'operator', 'ends', 'asks', 'start'] as const
  const refusals = members.map((member) => {
    try {
      insiderAt({ plan: silent }, 'node-a', member)
    } catch (failure) {
      return (failure as Error).message
    }
    return 'found'
  })

  expect(refusals.join('\n')).toMatchInlineSnapshot(`
    "topology shared-auth: node node-a says nothing of "signs" for insiders; let the plan of its kind return insider.signs (docs/guides/add-a-service-kind.md), or ask where it is said; there is ca
    topology shared-auth: node node-a says nothing of "mints" for insiders; let the plan of its kind return insider.mints (docs/guides/add-a-service-kind.md), or ask where it is said; there is auth
    topology shared-auth: node node-a says nothing of "standIn" for insiders; let the plan of its kind return insider.standIn (docs/guides/add-a-service-kind.md), or ask where it is said; there is auth
    topology shared-auth: node node-a says nothing of "operator" for insiders; let the plan of its kind return insider.operator (docs/guides/add-a-service-kind.md), or ask where it is said; there is auth, node-b
    topology shared-auth: node node-a says nothing of "ends" for insiders; let the plan of its kind return insider.ends (docs/guides/add-a-service-kind.md), or ask where it is said; there is auth
    topology shared-auth: node node-a says nothing of "asks" for insiders; let the plan of its kind return insider.asks (docs/guides/add-a-service-kind.md), or ask where it is said; there is node-b
    topology shared-auth: node node-a says nothing of "start" for insiders; let the plan of its kind return insider.start (docs/guides/add-a-service-kind.md), or ask where it is said; there is auth, node-b"
  `)
  expect(() => insiderAt({ plan }, 'node-a', 'start', 'cert-node-a')).toThrow(
    /unit node-a\/cert-node-a says nothing of "start"/,
  )
})

test('so each call of a scenario that needs one is refused with its code', async () => {
  const site = await scenarioAt(plan)
  const calls = [
    () => site.signingKey('ca'),
    () => site.authority('auth'),
    () => site.standInForIssuer('node-a'),
    () => site.operator('ca').get('/'),
  ]
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'HOLDFAST_NOT_IN_PLAN' })
})

test('an operator whom no certificate names is told apart from a kind that has none', async () => {
  const strange = structuredClone(plan)
  const unit = strange.nodes['node-a']!.units.find(({ insider }) => insider?.operator)! as PlanUnit
  unit.insider = { operator: { listener: 'local', sans: ['nobody.test'] } }

  await expect(operatorOf(siteOf(strange), 'node-a')).rejects.toThrow(
    'no certificate is one of the operators of node-a (nobody.test)',
  )
})
