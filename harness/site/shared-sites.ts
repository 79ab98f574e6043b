import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site, SiteNode } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import type { Protocols } from '../protocols/spoken.ts'
import { closeWatchers } from './operator-client.ts'
import { differenceSince, lookAtRest, settleMs } from './site-look.ts'

/** A scenario file left the site that it shares with others otherwise than it found it. Code `HOLDFAST_SITE_CHANGED`. */
export class SiteChanged extends HoldfastError {
  constructor(file: string, difference: string) {
    super(
      'HOLDFAST_SITE_CHANGED',
      `${file} changed the site that files share: ${difference}; undo it at the end of the test, or write own: true into the options of the scenario`,
    )
  }
}

/** How much a site had told so far, of events, and by node and unit of log lines and records: what came later is of the file that had it then. */
type Told = ReadonlyMap<string, number>

type Launched = Awaited<ReturnType<typeof launched>>
export type Lease = Awaited<ReturnType<typeof leaseOf>>

/**
 * A site that the files of a worker take one after the other. Each file may have modules of its own, so files share these and
 * nothing else: data, and sites by their interface.
 */
interface SharedSite {
  readonly launched: Promise<Launched>
  isTaken: boolean
}

/** Sites that nobody has at the moment; each costs memory for all of its programs. */
const idleAtMost = 2
/** A site that has told this much keeps no more of it in memory. */
const toldAtMost = { events: 50_000, logs: 2_500 }

const place = Symbol.for('holdfast: sites that scenario files share')

function sharedSites(): Map<string, SharedSite> {
  const worker = globalThis as { [place]?: Map<string, SharedSite> }
  worker[place] ??= new Map()
  return worker[place]
}

/** Takes the site of this key for a file, and launches it where there is none yet. Undefined while somebody has it: they launch their own. */
export async function takeShared(
  key: string,
  file: string,
  launch: () => Promise<Site>,
  protocols: Protocols,
  withinMs = settleMs,
): Promise<Lease | undefined> {
  const sites = sharedSites()
  const known = sites.get(key)
  if (known?.isTaken) return undefined
  const shared = known ?? { launched: launched(launch, protocols, withinMs), isTaken: true }
  shared.isTaken = true
  // The one that was given back last is ended last.
  sites.delete(key)
  sites.set(key, shared)
  try {
    return await leaseOf(await shared.launched, file, protocols, withinMs, (goesOn) => {
      shared.isTaken = false
      if (!goesOn) sites.delete(key)
    })
  } catch (failure) {
    sites.delete(key)
    throw failure
  }
}

/** Ends the sites of this worker: nobody comes any more. */
export async function endSharedSites(): Promise<void> {
  await endAll([...sharedSites().keys()])
}

async function endAll(keys: readonly string[]): Promise<void> {
  const sites = sharedSites()
  const ending = keys.map(async (key) => {
    const shared = sites.get(key)
    sites.delete(key)
    const { site } = (await shared?.launched.catch(() => undefined)) ?? {}
    await site?.[Symbol.asyncDispose]()
  })
  const failures = (await Promise.allSettled(ending)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} shared sites were not released`)
}

/** Ends sites that nobody has, but for as many as given that were used last. */
export async function endIdleSites(but = 0): Promise<void> {
  const idle = [...sharedSites()].flatMap(([key, { isTaken }]) => (isTaken ? [] : [key]))
  await endAll(idle.slice(0, Math.max(0, idle.length - but)))
}

/** Launches a site, ends idle ones before, and tells how it was when it had come to rest: what it told by then, every file sees. */
async function launched(launch: () => Promise<Site>, protocols: Protocols, withinMs: number) {
  await endIdleSites(idleAtMost - 1)
  const site = await launch()
  try {
    return { site, look: await lookAtRest(site, protocols, withinMs), told: await toldBy(site) }
  } catch (failure) {
    await site[Symbol.asyncDispose]()
    throw failure
  }
}

/** A site as a file sees it: with evidence, records and logs of its own. Disposing it gives it back, or ends it where it is not as it was. */
async function leaseOf(
  { site, look, told }: Launched,
  file: string,
  protocols: Protocols,
  withinMs: number,
  givenBack: (goesOn: boolean) => void,
) {
  const evidence = join(site.evidence, file)
  await mkdir(evidence, { recursive: true, mode: 0o700 })
  // Somebody may have taken that of the site away, as is theirs to do.
  const copy = (name: string) => copyFile(join(site.evidence, name), join(evidence, name)).catch(() => {})
  for (const name of ['plan.json', 'run.json']) await copy(name)
  let isSpoiled = false
  const giveBack = async () => {
    const difference = isSpoiled ? undefined : await differenceSince(look, site, protocols, withinMs)
    await Promise.all([closeWatchers(site), closeWatchers(seen)])
    const goesOn = !isSpoiled && difference === undefined && !hasToldMuch(site)
    givenBack(goesOn)
    if (!goesOn) await site[Symbol.asyncDispose]()
    if (difference !== undefined) throw new SiteChanged(file, difference)
  }
  const seen: Site = seenBy(site, told, await toldBy(site), { evidence, [Symbol.asyncDispose]: giveBack })
  /** A test failed on it, so nobody takes it again. */
  const spoil = () => {
    isSpoiled = true
  }
  return { site: seen, spoil }
}

/** A site as if it had just been launched: without what it told between its launch and `since`. */
function seenBy(site: Site, launched: Told, since: Told, own: Partial<Site>): Site {
  const without = <T>(all: readonly T[], what: string): readonly T[] => {
    const [from = 0, to = 0] = [launched.get(what), since.get(what)]
    return from === to ? all : [...all.slice(0, from), ...all.slice(to)]
  }
  const seen = (node: SiteNode) =>
    over(node, {
      logs: (unit) => without(node.logs(unit), `logs ${node.name} ${unit}`),
      decisions: async (unit) => without(await node.decisions(unit), `decisions ${node.name} ${unit}`),
    })
  const nodes = new Map([...site.nodes].map(([name, node]) => [name, seen(node)]))
  const node = (name: string) => nodes.get(name) ?? site.node(name)
  return over(site, { ...own, nodes, node, events: () => without(site.events(), 'events') })
}

async function toldBy(site: Site): Promise<Told> {
  const ofNodes = [...site.nodes.values()].flatMap((node) =>
    [undefined, 'agent', ...(site.plan.nodes[node.name]?.units ?? []).map(({ name }) => name)].flatMap((unit) => [
      [`logs ${node.name} ${unit}`, node.logs(unit)] as const,
      [`decisions ${node.name} ${unit}`, unit === 'agent' ? [] : node.decisions(unit)] as const,
    ]),
  )
  const all = [['events', site.events()] as const, ...ofNodes]
  return new Map(await Promise.all(all.map(async ([what, told]) => [what, (await told).length] as const)))
}

/** The same object with some members replaced; its methods keep it as `this`. */
function over<T extends object>(target: T, own: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      if (Object.hasOwn(own, name)) return own[name as keyof T]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function hasToldMuch(site: Site): boolean {
  const logs = [...site.nodes.values()].map((node) => node.logs().length)
  return site.events().length > toldAtMost.events || logs.some((lines) => lines > toldAtMost.logs)
}
