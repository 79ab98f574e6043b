import type { Backend, LaunchOptions, Site } from '../backends/backend.ts'
import { neededTools } from '../backends/plan-needs.ts'
import { backend, compile } from '../shipped.ts'
import { ensureTools } from '../toolchain/install.ts'
import { loadTopology } from '../topology/load.ts'
import type { Plan } from '../topology/plan.ts'
import { type CommonOptions, chosenBackend } from './options.ts'
import { plural, printPhase, printToolchain, seconds } from './output.ts'
import type { Programs } from './pasted-programs.ts'
import { tellDeclared } from './preflight.ts'

interface StandUpOptions extends Pick<CommonOptions, 'backend' | 'set'>, Pick<LaunchOptions, 'keep' | 'onEvent'> {
  signal: AbortSignal
  /** Looks at the plan before anything starts; throws where it will not do. */
  onPlan?: (plan: Plan) => void
  /** Finds programs that are to be on nodes, for whoever enters one. */
  findPrograms?: (plan: Plan) => Promise<Programs>
}

/**
 * From the name of a topology to a site that is ready, with one line of progress for each phase. Whoever gets the site
 * disposes it.
 *
 * @throws HoldfastError when the topology is wrong, the backend cannot run here, a program is missing, or a unit fails.
 */
export async function standUp(topology: string, options: StandUpOptions): Promise<Site> {
  const { set, signal, keep, onPlan, onEvent, findPrograms } = options
  const backendName = chosenBackend(options)
  const plan = compile(await loadTopology(topology, { set }))
  onPlan?.(plan)
  const nodes = Object.values(plan.nodes)
  const domains = plural(Object.keys(plan.trustDomains).length, 'trust domain')
  printPhase('done', 'plan', `${plural(nodes.length, 'node')}, ${domains}, backend ${backendName}`)
  tellDeclared(plan)
  const ground = backend(backendName)
  await prepareTools(plan, ground, signal)
  const programs = Object.values((await findPrograms?.(plan)) ?? {})
  const site = await ground.launch(plan, { signal, keep, onEvent, programs })
  // Each node with the time at which the last of its services was ready, beginning when what it waits for was ready.
  const timings = nodes.map(({ name, units }) => {
    const services = units.filter((unit) => unit.service)
    return `${name} ${seconds(Math.max(0, ...services.map((unit) => site.timings.get(`${name}/${unit.name}`) ?? 0)))}`
  })
  printPhase('done', 'ready', timings.join('  '))
  return site
}

/** Builds the real programs that are missing, which takes a minute or more the first time: so with progress. */
async function prepareTools(plan: Plan, { capabilities }: Backend, signal: AbortSignal): Promise<void> {
  const { plain, overlay } = neededTools(plan, capabilities)
  const tools = [
    ...(await ensureTools(plain, { signal, onProgress: printToolchain })),
    ...(await ensureTools(overlay, { signal, onProgress: printToolchain, overlay: true })),
  ]
  printPhase('done', 'toolchain', tools.map(({ name, version }) => `${name} ${version}`).join('  '))
}
