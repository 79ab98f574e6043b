// What plans, matrices, lists of attacks, descriptions of sites and redacted texts are, to the byte: so that a change that
// should change none of them shows that it does. After one that is meant to, and only then, write them anew, and read the diff:
//
//   node bootstrap.mjs unit checks/golden --update
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Scope, scopesOf } from '../../harness/attacks/scope.ts'
import { notTriedIn } from '../../harness/cli/attack-text.ts'
import { describeSite } from '../../harness/cli/describe-site.ts'
import type { DescribableSite } from '../../harness/cli/possible-calls.ts'
import { tokensIn } from '../../harness/credentials/bound-token/secrets.ts'
import { leaksIn, redact } from '../../harness/credentials/secrets.ts'
import { declaredGuards, programsOf } from '../../harness/faults/declared-guards.ts'
import { compile, credentialKinds } from '../../harness/shipped.ts'
import { families as shippedFamilies } from '../../harness/shipped-families.ts'
import { loadTopology, shippedTopologies } from '../../harness/topology/load.ts'
import { networksOf } from '../../harness/topology/networks.ts'
import type { Plan } from '../../harness/topology/plan.ts'
import { deriveMatrix } from '../../harness/trust/matrix.ts'
import { services as programs } from '../services.ts'
import { attacksText } from './attacks-text.ts'
import { jsonText } from './json-text.ts'
import { matrixText } from './matrix-text.ts'
import { secretTexts } from './secret-texts.ts'
import { variants } from './variants.ts'

const services = [
  'auth-callout',
  'auth-server',
  'bearer-node',
  'ca-setup',
  'federation-cli',
  'federation-gateway',
  'host-agent',
  'nats-companion',
  'nats-setup',
  'orchestrator',
  'p2p',
  'postgres-setup',
]
const ofVariant = ['attacks.txt', 'matrix.txt', 'plan.json', 'up.json']
const ofAll = ['counts.json', 'guards.json', 'redacted.json']

const families = await shippedFamilies()
const made = await Promise.all(
  variants.map(async ({ name, topology, set }) => {
    const plan = compile(await loadTopology(topology, { set }))
    return { name, plan, classes: deriveMatrix(plan, credentialKinds), scopes: scopesOf(families, plan) }
  }),
)
// They come in the order in which modules are loaded, which means nothing.
const guards = Object.fromEntries(
  await Promise.all(
    services.flatMap(programsOf).map(async (name) => [name, byName(await declaredGuards(name))] as const),
  ),
)

test.each(made)('$name', async ({ name, plan, classes, scopes }) => {
  await expect(jsonText(plan)).toMatchFileSnapshot(`${name}/plan.json`)
  await expect(matrixText(plan, classes, deriveMatrix(plan, credentialKinds, { full: true }))).toMatchFileSnapshot(
    `${name}/matrix.txt`,
  )
  await expect(attacksText(plan.topology, scopes)).toMatchFileSnapshot(`${name}/attacks.txt`)
  await expect(jsonText(describeSite(siteOf(plan), 4242))).toMatchFileSnapshot(`${name}/up.json`)
})

test('redacted texts', async () => {
  const redacted = Object.entries(secretTexts).map(([name, text]) => {
    return [
      name,
      { text: redact(text), tokens: tokensIn(text).map((token) => redact(token)), keys: leaksIn(text, []) },
    ] as const
  })
  await expect(jsonText(Object.fromEntries(redacted))).toMatchFileSnapshot('redacted.json')
})

test('guards and their reasons', async () => {
  await expect(jsonText(guards)).toMatchFileSnapshot('guards.json')
})

test('counts', async () => {
  const counts = {
    topologies: Object.fromEntries(
      made.map(({ name, classes: { cells, classes }, scopes }) => {
        return [name, { cells, classes: classes.length, ...attackCounts(scopes) }] as const
      }),
    ),
    attacks: Object.fromEntries(
      families.map(({ name, attacks }) => {
        const variants = attacks.flatMap((attack) => Object.keys(attack.variants)).length
        return [name, { cases: attacks.length, variants }] as const
      }),
    ),
    guards: Object.fromEntries(
      Object.entries(guards).map(([service, declared]) => {
        return [service, { guards: Object.keys(declared).length, reasons: Object.values(declared).flat().length }]
      }),
    ),
  }
  await expect(jsonText(counts)).toMatchFileSnapshot('counts.json')
})

test('every shipped topology, parameter and service is here, and no file is left over', async () => {
  for (const [topology, { parameters }] of Object.entries(await shippedTopologies())) {
    const own = variants.filter((variant) => variant.topology === topology)
    expect(own.some(({ set }) => Object.keys(set).length === 0)).toBe(true)
    expect(Object.keys(parameters).filter((name) => !own.some(({ set }) => Object.hasOwn(set, name)))).toEqual([])
  }
  const known = [...ofAll, ...variants.flatMap(({ name }) => [name, ...ofVariant.map((file) => join(name, file))])]
  const there = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  expect(there.filter((name) => !name.endsWith('.ts') && !known.includes(name))).toEqual([])
  expect(programs.toSorted()).toEqual(services)
})

function byName<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

function attackCounts(scopes: readonly Scope[]) {
  const trials = scopes.flatMap((scope) => scope.trials)
  const alike = trials.flatMap((trial) => trial.alike).length
  return { cases: scopes.length, trials: trials.length, alike, notTried: notTriedIn(scopes).length }
}

/** A site as it would be described once it is up, in places that no machine has. */
function siteOf(plan: Plan): DescribableSite {
  const planned = Object.values(plan.nodes)
  const nodes = planned.map((node, at) => {
    const { name, host } = node
    const address = `127.77.0.${at + 1}`
    const addresses = Object.fromEntries(networksOf(node).map((network) => [network, address]))
    return [name, { name, host, address, addresses, dir: `/runs/golden/nodes/${name}` }] as const
  })
  const units = planned.flatMap(({ name, units }) => units.map((unit) => `${name}/${unit.name}`))
  return {
    run: 'golden',
    plan,
    backend: 'process',
    evidence: '/evidence/golden',
    nodes: new Map(nodes),
    timings: new Map(units.map((unit, at) => [unit, at + 1])),
  }
}
