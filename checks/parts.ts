import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { scopesOf } from '../harness/attacks/scope.ts'
import { compile, kinds } from '../harness/shipped.ts'
import { families } from '../harness/shipped-families.ts'
import { loadTopology, shippedTopologies } from '../harness/topology/load.ts'
import type { Plan } from '../harness/topology/plan.ts'

const root = join(import.meta.dirname, '..')

/** Paths in the repository, by what lies there. */
export type Parts = Readonly<Record<string, readonly string[]>>

/** The parts of a system, which lie where they are used: those of the topologies that its scenarios name. Empty where they name none. */
export async function partsOf(system: string): Promise<Parts> {
  const shipped = Object.keys(await shippedTopologies())
  const named = new Set(
    claimsOf(system).flatMap(({ source }) => [...source.matchAll(/\('([a-z-]+)'/g)].map(([, name]) => name)),
  )
  const topologies = shipped.filter((name) => named.has(name))
  if (topologies.length === 0) return {}
  const plans = await Promise.all(topologies.map(async (name) => compile(await loadTopology(name))))
  const units = plans.flatMap(({ nodes }) => Object.values(nodes).flatMap((node) => node.units))
  const actions = units.flatMap((unit) => Object.values(unit.actions ?? {}))
  const all = await families()
  const scopes = plans.flatMap((plan) => scopesOf(all, plan))
  const tried = new Set(scopes.filter(({ trials }) => trials.length > 0).map(({ attack }) => attack))
  return {
    topologies: topologies.map((name) => `nix/topologies/${name}.nix`),
    'service kinds': unique(units.map(({ kind }) => kind))
      .filter((kind) => kinds.has(kind))
      .map((kind) => `harness/kinds/${kind}`),
    'programs of ours': unique(plans.flatMap(servicesOf)).map((name) => `services/${name}`),
    'credential kinds': unique(
      plans.flatMap(({ credentials }) => Object.values(credentials).map(({ kind }) => kind)),
    ).map((kind) => `harness/credentials/${kind}`),
    protocols: unique(actions.flatMap(({ request }) => Object.keys(request))).map(
      (name) => `harness/protocols/${name}`,
    ),
    attacks: all
      .filter(({ attacks }) => attacks.some((attack) => tried.has(attack)))
      .map(({ name }) => `harness/attacks/${name}`),
  }
}

/** Each claim of a system: its title, where its README lies, and the text of its scenario. */
export function claimsOf(system: string) {
  const folder = join(root, 'scenarios', system)
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return names.map(({ name }) => {
    const readme = join(folder, name, 'README.md')
    const [first = ''] = readFileSync(readme, 'utf8').split('\n')
    const source = readFileSync(join(folder, name, `${name}.scenario.ts`), 'utf8')
    return { title: first.replace(/^# /, ''), readme: relative(root, readme), source }
  })
}

/** Which of our programs a plan starts, whatever for: as a service, before one, or for a test. */
function servicesOf(plan: Plan): string[] {
  const found: string[] = []
  JSON.stringify(plan, (key, value) => {
    if (key === 'service' && typeof value === 'string') found.push(value)
    return value
  })
  return found
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].toSorted()
}
