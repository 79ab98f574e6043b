import type { LaunchOptions, Site } from '../backends/backend.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { Plan } from '../topology/plan.ts'
import { type CommonOptions, chosenBackend } from './options.ts'
import { plural, printPhase, seconds } from './output.ts'

export interface StandUpOptions extends Pick<CommonOptions, 'backend' | 'set' | 'keep'> {
  signal: AbortSignal
  /** Looks at the plan before anything starts; throws where it will not do. */
  onPlan?: (plan: Plan) => void
  onEvent?: (event: SiteEvent) => void
}

/**
 * From the name of a topology to a site that is ready, with one line of progress for each phase. Whoever gets the site
 * disposes it.
 *
 * @throws HoldfastError when the topology is wrong, the backend cannot run here, a program is missing, or a unit fails.
 */
export async function standUp(topology: string, options: StandUpOptions): Promise<Site> {
  const backendName = chosenBackend(options)
  const [{ loadTopology }, { compile }, { backend }] = await Promise.all([
    import('../topology/load.ts'),
    import('../shipped.ts'),
    import('../shipped.ts'),
  ])
  const plan = compile(await loadTopology(topology, { set: options.set }))
  options.onPlan?.(plan)
  printPhase('done', 'plan', `${summaryOf(plan)}, backend ${backendName}`)
  const { tellDeclared } = await import('./preflight.ts')
  await tellDeclared(plan)
  const launch: LaunchOptions = { signal: options.signal, keep: options.keep, onEvent: options.onEvent }
  await prepareTools(plan, options.signal)
  const site = await backend(backendName).launch(plan, launch)
  printPhase('done', 'ready', timingsOf(site))
  return site
}

/** Builds the real programs that are missing, which takes a minute or more the first time: so with progress. */
async function prepareTools(plan: Plan, signal: AbortSignal): Promise<void> {
  const [{ neededTools }, { ensureTools }] = await Promise.all([
    import('../backends/plan-needs.ts'),
    import('../toolchain/install.ts'),
  ])
  const onProgress = (line: string) => printPhase('working', 'toolchain', line)
  const { plain, overlay } = neededTools(plan)
  const tools = [
    ...(await ensureTools(plain, { signal, onProgress })).values(),
    ...(await ensureTools(overlay, { signal, onProgress, overlay: true })).values(),
  ]
  printPhase('done', 'toolchain', tools.map(({ name, version }) => `${name} ${version}`).join('  '))
}

function summaryOf(plan: Plan): string {
  const domains = Object.keys(plan.trustDomains).length
  return `${plural(Object.keys(plan.nodes).length, 'node')}, ${plural(domains, 'trust domain')}`
}

/** Each node with the time at which the last of its services was ready, beginning when what it waits for was ready. */
function timingsOf(site: Site): string {
  return Object.values(site.plan.nodes)
    .map((node) => {
      const services = node.units.filter((unit) => unit.service)
      const ms = services.map((unit) => site.timings.get(`${node.name}/${unit.name}`) ?? 0)
      return `${node.name} ${seconds(Math.max(0, ...ms))}`
    })
    .join('  ')
}
