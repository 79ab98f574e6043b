import { expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { families } from '../shipped-families.ts'
import { loadTopology } from '../topology/load.ts'
import type { Plan } from '../topology/plan.ts'
import { outcomeText } from './outcome.ts'
import { chosenAttacks, type Scope, scopesOf } from './scope.ts'

/** Topologies that scenarios attack with every case of the catalogue between them; some with these only. */
const attacked: readonly (readonly [topology: string, cases?: readonly string[], set?: Record<string, string>])[] = [
  ['separate-auth'],
  ['shared-auth'],
  ['nats-orchestrator', undefined, { callout: 'false' }],
  ['./fixtures/controls/proxied.json', ['TLS-21', 'TLS-22', 'TLS-23', 'TLS-24', 'TLS-25']],
]

const all = await families()

async function planOf(topology: string, set: Record<string, string> = {}): Promise<Plan> {
  return compile(await loadTopology(topology, { set }))
}

function triedIn({ attack: { id }, trials }: Scope): string[] {
  return trials.map(({ name }) => `${id} ${name}`)
}

test('each variant is tried somewhere, or says why not', async () => {
  const each = attacked.map(async ([topology, cases, set]) => scopesOf(all, await planOf(topology, set), { cases }))
  const scopes = (await Promise.all(each)).flat()
  const tried = new Set(scopes.flatMap(triedIn))
  const variants = chosenAttacks(all).flatMap(({ id, variants }) =>
    Object.entries(variants).map(([name, { untried }]) => ({ name: `${id} ${name}`, untried })),
  )
  const named = (some: typeof variants) => some.map(({ name }) => name)

  expect(named(variants.filter(({ name }) => !tried.has(name)))).toEqual(
    named(variants.filter(({ untried }) => untried)),
  )
})

test('the variants of a case that no target can have are told apart from those that are tried', async () => {
  const [scope] = scopesOf(all, await planOf('separate-auth'), { cases: ['PEER-30'] })

  expect(scope!.trials.length).toBeGreaterThan(0)
  expect(scope!.why).toBeUndefined()
  expect(scope!.untried).toEqual([{ name: 'the issuer is ahead', why: 'no target has movable-clock' }])
  const [moved] = scopesOf(all, await planOf('separate-auth'), { cases: ['PEER-30'], clock: 'movable' })
  expect(moved!.untried).toEqual([])
})

test('an auth server that is strict is tried with what the standards leave open, and so are its clients', async () => {
  const [scope] = scopesOf(all, await planOf('separate-auth'), { cases: ['TLS-27'] })
  const places = new Set(scope!.trials.map(({ target }) => target.name))

  expect([...places]).toEqual([
    'auth-a operator:list',
    'auth-a token:request',
    'node-a peering:connect',
    'node-a node:read',
  ])
})

test('units that run one program are tried once, and another program of the same kind for itself', async () => {
  const plan = await planOf('./fixtures/controls/python.json')
  const places = () => {
    const [scope] = scopesOf(all, plan, { cases: ['GEN-16'] })
    return [...new Set(scope!.trials.map(({ target }) => target.node))]
  }

  expect(places()).toEqual(['python', 'python-cnf-if-there', 'python-any-type', 'python-thumbprint-prefix'])
  const unitOf = (node: string) => plan.nodes[node]!.units.find(({ program }) => program !== undefined)!
  unitOf('python-thumbprint-prefix').program = unitOf('python').program
  expect(places()).toEqual(['python', 'python-cnf-if-there', 'python-any-type'])
})

test('what becomes of a stranger at an action for operators alone is expected there, and nowhere else', async () => {
  const outcomesAt = async (topology: string, set?: Record<string, string>) => {
    const [scope] = scopesOf(all, await planOf(topology, set), { cases: ['TLS-21'] })
    const trials = scope!.trials.filter(({ name }) => name === 'Client-Cert, beside another certificate')
    return trials.map(({ target, variant }) => `${target.name}: ${outcomeText(variant.expect)}`)
  }
  expect(await outcomesAt('separate-auth')).toEqual([
    'auth-a operator:list: A1 cnf_x5t_mismatch or 403 access_denied not_operator',
    'auth-a token:request: E(invalid_client) san_mismatch',
    'node-a peering:connect: A1 cnf_x5t_mismatch or 403 access_denied not_operator',
    'node-a node:read: A1 cnf_x5t_mismatch or 403 access_denied not_operator',
  ])
  expect(await outcomesAt('nats-orchestrator', { callout: 'false' })).toEqual([
    'orchestrator node:read: A0 token_missing',
    'orchestrator commands:write: 403 forbidden not_operator',
  ])
})
