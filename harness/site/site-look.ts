import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Site } from '../backends/backend.ts'
import type { Protocols } from '../protocols/spoken.ts'
import { boundOn } from './bound.ts'
import { firstDifference } from './effects.ts'
import { pictureSeen } from './observation.ts'
import { operatorWatcher } from './operator-client.ts'
import { readRendered } from './site-files.ts'
import { until } from './until.ts'

export type SiteLook = Awaited<ReturnType<typeof lookAt>>

export const settleMs = 15_000
const everyMs = 250

/** What must be the same on a site that files share when the next one takes it: programs, their configuration, what an operator sees. */
async function lookAt(site: Site, protocols: Protocols) {
  const [files, pictures] = await Promise.all([filesOf(site), picturesOf(site, protocols)])
  return { programs: programsOf(site), files, pictures }
}

/** Looks until two looks in a row are the same: nodes go on meeting each other after they have become ready. */
export async function lookAtRest(site: Site, protocols: Protocols, withinMs: number): Promise<SiteLook> {
  let look: SiteLook | undefined
  const rests = async () => {
    const before = look
    look = await lookAt(site, protocols)
    return isDeepStrictEqual(before, look) && look
  }
  return until('the site has come to rest', rests, { withinMs: boundOn(site, withinMs), everyMs })
}

/** How a site differs from an earlier look, once it had the time to become the same again; undefined when it is the same. */
export async function differenceSince(
  look: SiteLook,
  site: Site,
  protocols: Protocols,
  withinMs: number,
): Promise<string | undefined> {
  let difference: string | undefined
  const isSame = async () => {
    difference = undefined
    difference = firstDifference(look, await lookAt(site, protocols))
    return difference === undefined
  }
  try {
    await until('the site is as it was', isSame, { withinMs: boundOn(site, withinMs), everyMs })
    return undefined
  } catch (failure) {
    const { message, cause } = failure as Error
    return difference ?? (cause instanceof Error ? cause.message : message)
  }
}

/** Process of each service that runs, by `node/unit`. */
function programsOf(site: Site): Record<string, number> {
  const programs: Record<string, number> = {}
  for (const event of site.events()) {
    if (event.event === 'unit-started' && event.pid !== undefined) programs[`${event.node}/${event.unit}`] = event.pid
    if (event.event === 'unit-exited') delete programs[`${event.node}/${event.unit}`]
  }
  return programs
}

/** Digests of rendered files, by `node/unit path`. */
async function filesOf(site: Site): Promise<Record<string, string>> {
  // Those of a unit on demand are there once it ran, and made anew each time.
  const started = unitsOf(site).filter(({ unit }) => unit.start !== 'on demand')
  const all = started.flatMap(({ node, unit }) =>
    unit.files.map(async ({ path }) => {
      const text = await readRendered(site, node, path, unit.name)
      return [`${node}/${unit.name} ${path}`, createHash('sha256').update(text).digest('hex').slice(0, 12)] as const
    }),
  )
  return Object.fromEntries(await Promise.all(all))
}

async function picturesOf(site: Site, protocols: Protocols): Promise<Record<string, unknown>> {
  const all = unitsOf(site).map(async ({ node, unit: { name, observe } }) => {
    if (observe === undefined || observe.as === 'accepted') return []
    const looking = { ...operatorWatcher(site, node), host: site.node(node).host }
    const picture = await pictureSeen(observe, looking, protocols)
    const kept = Object.entries(picture).filter(([what]) => !observe.grows?.includes(what))
    return [[`${node}/${name}`, Object.fromEntries(kept)]]
  })
  return Object.fromEntries((await Promise.all(all)).flat())
}

function unitsOf({ plan }: Site) {
  return Object.values(plan.nodes).flatMap(({ name, units }) => units.map((unit) => ({ node: name, unit })))
}
