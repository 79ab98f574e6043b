import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, extname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ScopeOptions, scopesOf } from '../attacks/scope.ts'
import { demandGiven } from '../backends/given-files.ts'
import { compile } from '../shipped.ts'
import { families } from '../shipped-families.ts'
import { loadTopology, shippedTopologies } from '../topology/load.ts'
import type { Plan } from '../topology/plan.ts'
import { fitsAny, isTopologyFile, topologyCallsIn } from './choose-scenarios.ts'

/** What is proven of every topology, whether somebody wrote it down or not: the calls that make it so, and the claims they stand for. */
const derivations = { matrix: 'refuses-the-rest', attacks: 'withstands-attacks' } as const

type Derivation = keyof typeof derivations

/** What the command line asks for: a topology by its file, or by a name that no scenario file knows; as the user typed it. */
interface Derived {
  source: string
  plan: Plan
}

interface DeriveOptions {
  /** What the command line names. */
  filters: readonly string[]
  /** All scenario files that there are. */
  scenarios: readonly string[]
  set: Readonly<Record<string, string>>
}

/**
 * Writes the scenarios that follow from the topologies among the filters, and that no scenario file makes already.
 * They lie in `.holdfast/derived`, and are written anew each time.
 */
export async function deriveScenarios({ filters, scenarios, set }: DeriveOptions) {
  const files: string[] = []
  const sources: string[] = []
  for (const source of filters) {
    if (!(await isTopologyFile(source)) && !(await isUnknownName(source, scenarios))) continue
    const plan = compile(await loadTopology(source, { set }))
    await demandGiven(plan)
    sources.push(source)
    files.push(...(await writeAll({ source, plan }, await notWritten(source, scenarios))))
  }
  return { files, sources }
}

async function isUnknownName(source: string, scenarios: readonly string[]): Promise<boolean> {
  if (extname(source) !== '' || !Object.hasOwn(await shippedTopologies(), source)) return false
  const known = await Promise.all(scenarios.map((file) => fitsAny(file, [source])))
  return !known.includes(true)
}

async function notWritten(source: string, scenarios: readonly string[]): Promise<Derivation[]> {
  const made = new Set<string>()
  for (const file of scenarios) {
    for (const { call, topology } of topologyCallsIn(await readFile(file, 'utf8'))) {
      if (topology === source || resolve(dirname(file), topology) === resolve(source)) made.add(call)
    }
  }
  return (Object.keys(derivations) as Derivation[]).filter((derivation) => !made.has(derivation))
}

async function writeAll(derived: Derived, missing: readonly Derivation[]): Promise<string[]> {
  const { source, plan } = derived
  const targets = foreignNodes(plan)
  const isAttackable = scopesOf(await families(), plan, { targets }).some(({ trials }) => trials.length > 0)
  const calls = missing
    .filter((call) => call !== 'attacks' || isAttackable)
    .map((call) => {
      const options = { again: `npx holdfast test ${source}`, ...(call === 'attacks' && { targets }) }
      return { call, claim: `${plan.topology}-${derivations[call]}`, options }
    })
  // A service that is up already serves one site at a time, and tests of one file come one after the other.
  const files = isShared(plan) ? [calls] : calls.map((one) => [one])
  return Promise.all(files.filter((some) => some.length > 0).map((some) => writeCalls(derived, some)))
}

function isShared({ nodes }: Plan): boolean {
  return Object.values(nodes).some(({ units }) => units.some(({ service }) => service && service.command === undefined))
}

/** Nodes with a program of the user's own: where there are any, it is them that he asks about, and not the nodes around them. */
export function foreignNodes({ nodes }: Plan): string[] | undefined {
  const foreign = Object.values(nodes).filter(({ units }) => units.some(({ proof }) => proof !== undefined))
  return foreign.length === 0 ? undefined : foreign.map(({ name }) => name)
}

/** The scenario of one `holdfast attack`: `choice` as its options read it. */
export function writeAttacks(derived: Derived, choice: ScopeOptions): Promise<string> {
  const { families, cases, targets, full } = choice
  const chosen = [
    ...(families === undefined ? [] : [`--family ${families.join(',')}`]),
    ...(cases === undefined ? [] : [`--case ${cases.join(',')}`]),
    ...(targets === undefined ? [] : [`--target "${targets.join(',')}"`]),
    ...(full ? ['--full'] : []),
  ]
  const again = ['npx holdfast attack', derived.source, ...chosen].join(' ')
  const claim = `${derived.plan.topology}-under-attack`
  return writeCalls(derived, [{ call: 'attacks', claim, options: { ...choice, again } }])
}

interface DerivedCall {
  call: Derivation
  claim: string
  options: object
}

/** One scenario file, which is named after the first claim. */
async function writeCalls({ source }: Derived, calls: readonly DerivedCall[]): Promise<string> {
  const [{ claim }] = calls as [DerivedCall]
  const file = resolve('.holdfast', 'derived', claim, `${claim}.scenario.ts`)
  const topology = extname(source) === '' ? source : relative(dirname(file), resolve(source))
  // This very copy of `holdfast/vitest`: whoever runs it need not have it installed beside the topology.
  const entry = fileURLToPath(new URL(`../vitest.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url))
  const text = [
    '// Made by the command line, and written anew each time.',
    `import { ${calls.map(({ call }) => call).join(', ')} } from ${JSON.stringify(entry)}`,
    '',
    ...calls.map(({ call, options }) => `await ${call}(${JSON.stringify(topology)}, ${JSON.stringify(options)})`),
    '',
  ]
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text.join('\n'))
  return file
}
