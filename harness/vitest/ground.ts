import type { Backend, BackendName, Capabilities, LaunchOptions, Site } from '../backends/backend.ts'
import { writeHistory } from '../evidence/history.ts'
import type { GuardRef } from '../faults/sabotage.ts'
import type { Plan } from '../topology/plan.ts'
import type { SharedKnowledge } from './scenario-site.ts'
import type { KindLookup } from './targets.ts'

export interface ScenarioOptions {
  /** Parameters of the topology; they go before what the command line sets. */
  set?: Readonly<Record<string, string | number>>
  /** Default: what the command line or the settings say. */
  backend?: BackendName
  /** What the backend must be able to do. Without it the tests of the file do not run, and say why. */
  needs?: readonly (keyof Capabilities)[]
  /** Extra environment of a node (`NODE`) or unit (`NODE/UNIT`). */
  env?: LaunchOptions['env']
}

/** What a ground stands on; a unit test brings its own. */
export interface GroundParts {
  readonly backend: Backend
  readonly kinds: KindLookup
  readonly keep: boolean
  /** A guard that is taken out of its service. */
  readonly sabotage?: GuardRef
  plan(): Promise<Plan>
}

/** The one site of a scenario file: launched when the first test needs it, released by one owner, whatever the tests do. */
export class Ground implements AsyncDisposable {
  readonly shared: SharedKnowledge = { anchors: new Map(), pictures: new Map() }
  readonly #options: ScenarioOptions
  readonly #parts: () => Promise<GroundParts>
  #opened: Promise<GroundParts> | undefined
  #missing: Promise<string | undefined> | undefined
  #site: Promise<Site> | undefined

  constructor(options: ScenarioOptions, parts: () => Promise<GroundParts>) {
    this.#options = options
    this.#parts = parts
  }

  get parts(): Promise<GroundParts> {
    this.#opened ??= this.#parts()
    return this.#opened
  }

  /** Why the tests of this file cannot run here, or undefined. */
  missing(): Promise<string | undefined> {
    this.#missing ??= this.#whatIsMissing()
    return this.#missing
  }

  /** The site; a launch that failed fails every test of the file in the same way, without being tried again. */
  site(): Promise<Site> {
    this.#site ??= this.#launch()
    return this.#site
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const site = await this.#site?.catch(() => undefined)
    if (site === undefined) return
    try {
      await writeHistory(site)
    } finally {
      await site[Symbol.asyncDispose]()
    }
  }

  async #whatIsMissing(): Promise<string | undefined> {
    const { backend } = await this.parts
    const lacking = (this.#options.needs ?? []).filter((need) => !backend.capabilities[need])
    if (lacking.length > 0) return `backend ${backend.name} lacks ${lacking.join(', ')}`
    const reason = await backend.unavailable()
    return reason === undefined ? undefined : `${backend.name}: ${reason}`
  }

  async #launch(): Promise<Site> {
    const { backend, plan, keep, sabotage } = await this.parts
    const { env } = this.#options
    if (sabotage === undefined) return backend.launch(await plan(), { env, keep })
    const { proveRemoval, sabotageEnvironment } = await import('../faults/sabotage.ts')
    const planned = await plan()
    const site = await backend.launch(planned, { env: sabotageEnvironment(planned, sabotage, env), keep })
    try {
      await proveRemoval(site, sabotage)
      return site
    } catch (failure) {
      await site[Symbol.asyncDispose]()
      throw failure
    }
  }
}

/** The parts that come with the harness: a topology by name or path, the backend of the settings, the shipped kinds. */
export async function shippedParts(topology: string, options: ScenarioOptions): Promise<GroundParts> {
  const [{ loadTopology }, { compile }, { backend }, { kinds }, { settings }] = await Promise.all([
    import('../topology/load.ts'),
    import('../topology/compile.ts'),
    import('../backends/index.ts'),
    import('../kinds/index.ts'),
    import('../settings.ts'),
  ])
  const { parameters, backend: chosen, keep, sabotage } = settings()
  const own = Object.entries(options.set ?? {}).map(([name, value]) => [name, String(value)])
  const set = { ...parameters, ...Object.fromEntries(own) }
  return {
    backend: backend(options.backend ?? chosen),
    kinds: (name) => kinds.get(name),
    keep,
    sabotage,
    plan: async () => compile(await loadTopology(topology, { set })),
  }
}
