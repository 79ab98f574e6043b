import type { Backend, BackendName, Capabilities, LaunchOptions, Site } from '../backends/backend.ts'
import type { Finding } from '../credentials/finding.ts'
import { writeHistory } from '../evidence/history.ts'
import { ownClockIsMovable } from '../faults/clock/own-clock.ts'
import { type GuardRef, sabotageEnvironment } from '../faults/sabotage.ts'
import type { HelperName } from '../toolchain/survey.ts'
import type { Plan } from '../topology/plan.ts'
import type { CallParts } from './call.ts'
import { endOfRun } from './end-of-run.ts'
import { type KeptSite, keptSite, untilEnded } from './kept-site.ts'
import { MutatedSite } from './mutated-site.ts'
import { once } from './once.ts'
import { proveRemoval } from './prove-removal.ts'
import { SharedKnowledge } from './scenario-site.ts'
import { endIdleSites, type Lease, takeShared } from './shared-sites.ts'

export interface ScenarioOptions {
  /** Parameters of the topology; they go before what the command line sets. */
  set?: Readonly<Record<string, string | number>>
  /** Default: what the command line or the settings say. */
  backend?: BackendName
  /** What the backend must be able to do. Without it the tests of the file do not run, and say why. */
  needs?: readonly (keyof Capabilities)[]
  /** Programs that the machine must have besides. Without one the tests of the file do not run, and say what to type. */
  programs?: readonly HelperName[]
  /** What the machine lacks besides, and what to type: a text, and the tests of the file do not run for this reason. */
  lacking?: string | undefined
  /** `movable`: `site.clock` moves the clocks of the nodes, and the harness goes along. Needs capability `ownClock`. */
  clock?: LaunchOptions['clock']
  /** Units that wait until the test releases them; it is then the test that waits for what is to be ready. The site is the file's own. */
  hold?: LaunchOptions['hold']
  /** Extra environment of a node (`NODE`) or unit (`NODE/UNIT`). */
  env?: LaunchOptions['env']
  /**
   * The file changes its site for good (stops, rotates, reconfigures), so it has one to itself. Default: with `HOLDFAST_SHARE_SITES`
   * files over the same topology, parameters and backend have one after the other, and a file that leaves it otherwise than it found
   * it fails. A site with a clock or an environment of its own is nobody else's anyway.
   */
  own?: boolean
  /** The file spends most of its time waiting. In the repository of Holdfast such files run beside the others. */
  waits?: true
  /** What to type to run the file again. Default: its path. */
  again?: string
}

/** What a ground stands on; a unit test brings its own. */
export interface GroundParts extends CallParts {
  readonly backend: Backend
  readonly keep: boolean
  /** Files of one worker may have the site one after the other. */
  readonly shared?: boolean
  /** Seconds from now at which the clocks of the site begin. */
  readonly at?: number
  /** A guard that is taken out of its service. */
  readonly sabotage?: GuardRef
  /** Folder of the mutants that its services are started with. */
  readonly mutants?: string | undefined
  plan(): Promise<Plan>
  /** What is wrong with the data of a launched site: told apart from what its tests find. */
  preflight?(site: Site): Promise<readonly Finding[]>
}

/** Who has the nodes of a backend that serves one site at a time. */
let holder: Ground | undefined

/**
 * The one site of a scenario file: launched when the first test needs it, or taken over from the file before, and released by one
 * owner, whatever the tests do.
 */
export class Ground implements AsyncDisposable {
  shared = new SharedKnowledge()
  readonly #file: string
  readonly #options: ScenarioOptions
  readonly parts: () => Promise<GroundParts>
  #site: Promise<Site> | undefined
  #kept = false
  #lease: Lease | undefined

  constructor(file: string, options: ScenarioOptions, parts: () => Promise<GroundParts>) {
    this.#file = file
    this.#options = options
    this.parts = once(parts)
  }

  /** Why the tests of this file cannot run here, or undefined. */
  readonly missing = once(() => this.#whatIsMissing())

  /** The site; a launch that failed fails every test of the file in the same way, without being tried again. */
  site(): Promise<Site> {
    this.#site ??= this.#launch()
    return this.#site
  }

  /** What the preflight of the site found; nothing of a site that did not come up. */
  readonly findings = once(() => this.#preflight())

  /** A test failed. With `keep` the site is then held until somebody ends it: answers what is to be told about it. */
  async keep(): Promise<KeptSite | undefined> {
    this.#lease?.spoil()
    if (!(await this.parts()).keep) return undefined
    const site = await this.#launched()
    this.#kept = site !== undefined
    return site && keptSite(site)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const site = await this.#launched()
    if (holder === this) holder = undefined
    if (site === undefined) return
    if (this.#kept) await untilEnded()
    try {
      await writeHistory(site)
    } finally {
      await site[Symbol.asyncDispose]()
      for (const { standIn } of this.shared.standIns.values()) await (await standIn).issuer[Symbol.asyncDispose]()
    }
  }

  /** Ends the site, so that the next test gets a new one: what a mutant does to a site may last. */
  async #renew(): Promise<void> {
    const site = await this.#launched()
    this.#site = undefined
    this.shared = new SharedKnowledge()
    await site?.[Symbol.asyncDispose]()
  }

  /** Another scenario of the file needs the nodes. A test of this one that comes later gets a new site. */
  async #giveUp(): Promise<void> {
    const site = await this.#launched()
    if (site !== undefined) await writeHistory(site)
    await this.#renew()
  }

  /** The site, or what of it came up before a launch failed that was told to keep it. */
  async #launched(): Promise<Site | undefined> {
    return this.#site?.catch((failure: { site?: Site }) => failure.site)
  }

  async #preflight(): Promise<readonly Finding[]> {
    const { preflight } = await this.parts()
    // What is held back is not there yet.
    if (this.#options.hold !== undefined) return []
    const site = await this.#site?.catch(() => undefined)
    return site === undefined || preflight === undefined ? [] : preflight(site)
  }

  async #whatIsMissing(): Promise<string | undefined> {
    const { backend, at } = await this.parts()
    const { clock, needs = [], programs = [], lacking: own } = this.#options
    const isMoved = clock === 'movable' || Boolean(at)
    const needed = new Set([...needs, ...(isMoved ? (['ownClock'] as const) : [])])
    const lacking = [...needed].filter((need) => !backend.capabilities[need])
    if (lacking.length > 0) {
      const whys = lacking.flatMap((need) => backend.whyLacking?.(need) ?? [])
      return [`backend ${backend.name} lacks ${lacking.join(', ')}`, ...whys].join(': ')
    }
    if (isMoved && !ownClockIsMovable()) return 'the clock of this process cannot be moved; run it by: holdfast test'
    const reason = (await backend.unavailable()) ?? (await this.#unfit())
    if (reason !== undefined) return `${backend.name}: ${reason}`
    if (own !== undefined || programs.length === 0) return own
    const { lackingPrograms } = await import('../toolchain/survey.ts')
    return lackingPrograms(programs)
  }

  /** What is wrong with the topology itself is told by its launch. */
  async #unfit(): Promise<string | undefined> {
    const { backend, plan } = await this.parts()
    if (backend.unfit === undefined) return undefined
    const known = await plan().catch(() => undefined)
    return known && backend.unfit(known)
  }

  async #launch(): Promise<Site> {
    const { backend, protocols, plan, keep, shared, sabotage, mutants, at } = await this.parts()
    if (backend.servesOneSite) {
      // Another scenario of this file may have the nodes.
      const before = holder
      holder = this
      if (before !== undefined && before !== this) await before.#giveUp()
      return this.#launchOwn()
    }
    const { own, clock, env, hold } = this.#options
    const isOrdinary = !own && !keep && !at && [clock, env, hold].every((option) => option === undefined)
    if (!shared || !isOrdinary || sabotage !== undefined || mutants !== undefined) return this.#launchOwn()
    // A plan is plain JSON and says all about its site.
    const key = `${backend.name} ${JSON.stringify(await plan())}`
    this.#lease = await takeShared(key, this.#file, () => this.#launchOwn(), protocols)
    return this.#lease?.site ?? this.#launchOwn()
  }

  async #launchOwn(): Promise<Site> {
    const { backend, keep, sabotage, mutants, at, ...parts } = await this.parts()
    const { env, clock, needs, hold } = this.#options
    const plan = await parts.plan()
    const partition = needs?.includes('partition')
    const launch = async (environment: LaunchOptions['env']) => {
      using ending = endOfRun()
      // Where sites weigh that much, what nobody has is no burden to who comes.
      if (backend.sitesAtOnce !== undefined) await endIdleSites()
      const clocks = { clock: at ? 'movable' : clock, clockStartsAt: at } as const
      return await backend.launch(plan, { env: environment, keep, partition, hold, ...clocks, signal: ending.signal })
    }
    if (mutants !== undefined) return launch(new MutatedSite(mutants, plan, () => this.#renew()).environment(env))
    if (sabotage === undefined) return launch(env)
    const site = await launch(sabotageEnvironment(plan, sabotage, env))
    try {
      await proveRemoval(site, sabotage)
      return site
    } catch (failure) {
      await site[Symbol.asyncDispose]()
      throw failure
    }
  }
}
