import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { scopesOf } from '../harness/attacks/scope.ts'
import { compile, kinds } from '../harness/shipped.ts'
import { families } from '../harness/shipped-families.ts'
import { referenceService } from '../harness/topology/holders.ts'
import { loadTopology, shippedTopologies } from '../harness/topology/load.ts'
import type { Plan } from '../harness/topology/plan.ts'

const root = join(import.meta.dirname, '..')
const pages = join(root, 'docs', 'systems')

/** `docs/systems/<system>.md`: the parts of a system, which lie where they are used, in one place. */
export async function systemPage(system: string): Promise<string> {
  const claims = claimsOf(system)
  const shipped = Object.keys(await shippedTopologies())
  const named = new Set(claims.flatMap(({ source }) => [...source.matchAll(/\('([a-z-]+)'/g)].map(([, name]) => name)))
  const topologies = shipped.filter((name) => named.has(name))
  const plans = await Promise.all(topologies.map(async (name) => compile(await loadTopology(name))))
  return [
    `# The system \`${system}\``,
    '',
    'Its parts, each where it lies. Generated from its scenarios and the topologies that they name: `npm run docs` writes it anew.',
    '',
    ...(await partsOf(plans)),
    `## ${claims.length} claims`,
    '',
    ...claims.map(({ title, readme }) => `- [${title}](${link(readme)})`),
    '',
  ].join('\n')
}

async function partsOf(plans: readonly Plan[]): Promise<string[]> {
  if (plans.length === 0) return []
  const units = plans.flatMap(({ nodes }) => Object.values(nodes).flatMap((node) => node.units))
  const actions = units.flatMap((unit) => Object.values(unit.actions ?? {}))
  const all = await families()
  const tried = new Set(
    plans.flatMap((plan) => scopesOf(all, plan).filter(({ trials }) => trials.length > 0)).map(({ attack }) => attack),
  )
  return [
    '| what | where |',
    '| --- | --- |',
    row(
      'topologies',
      plans.map(({ topology }) => `nix/topologies/${topology}.nix`),
    ),
    row(
      'service kinds',
      unique(units.map(({ kind }) => kind))
        .filter((kind) => kinds.has(kind))
        .map((kind) => `harness/kinds/${kind}`),
    ),
    row(
      'programs of ours',
      unique(units.flatMap((unit) => referenceService(unit) ?? [])).map((name) => `services/${name}`),
    ),
    row(
      'credential kinds',
      unique(plans.flatMap(({ credentials }) => Object.values(credentials).map(({ kind }) => kind))).map(
        (kind) => `harness/credentials/${kind}`,
      ),
    ),
    row(
      'protocols',
      unique(actions.flatMap(({ request }) => Object.keys(request))).map((name) => `harness/protocols/${name}`),
    ),
    row(
      'attacks',
      all
        .filter(({ attacks }) => attacks.some((attack) => tried.has(attack)))
        .map(({ name }) => `harness/attacks/${name}`),
    ),
    '',
  ]
}

function claimsOf(system: string) {
  const folder = join(root, 'scenarios', system)
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return names.map(({ name }) => {
    const readme = join(folder, name, 'README.md')
    const [first = ''] = readFileSync(readme, 'utf8').split('\n')
    const source = readFileSync(join(folder, name, `${name}.scenario.ts`), 'utf8')
    return { title: first.replace(/^# /, ''), readme: relative(root, readme), source }
  })
}

function row(what: string, paths: readonly string[]): string {
  return `| ${what} | ${paths.map((path) => `[${path.split('/').at(-1)}](${link(path)})`).join(' · ') || 'none'} |`
}

function link(path: string): string {
  return relative(pages, join(root, path)).replaceAll('\\', '/')
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].toSorted()
}
