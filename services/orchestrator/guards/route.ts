import { guard } from '../../shared/guard.ts'
import { isUnder, routeKey } from '../routes.ts'
import type { Announcement, UpdateMessage } from '../wire.ts'
import { ending } from './message.ts'

/** One update of a peer. */
export interface UpdateContext {
  readonly update: UpdateMessage
  /** The peer's name: the `sub` of its token. */
  readonly sender: string
  /** How many routes the peer would have with these keys added and those taken away. */
  countWith(added: Iterable<string>, removed?: Iterable<string>): number
}

const NODE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

function announcements(update: UpdateMessage): Announcement[] {
  return update.routes.filter((entry) => entry.op === 'announce')
}

/** A path that does not begin with the sender is a lie about who says so: the whole message is refused. */
export const routeOrigin = guard<UpdateContext>('route.origin', ['route_origin_mismatch'], ({ update, sender }) => {
  const isTrue = announcements(update).every(
    ({ path }) => path[0] === sender && new Set(path).size === path.length && path.every((name) => NODE.test(name)),
  )
  return isTrue ? undefined : ending('route_origin_mismatch', 'forbidden')
})

export const MOST_HOPS = 64
const LONGEST_NAME = 253
const LONGEST_ENDPOINT = 2_048
/** Of one peer. */
export const MOST_ROUTES = 10_000

export const routeLimit = guard<UpdateContext>('route.limit', ['route_limit'], (context) => {
  const { update } = context
  const isLong = update.routes.some(({ domain, name }) => domain.length > LONGEST_NAME || name.length > LONGEST_NAME)
  const added = announcements(update)
  const isLarge = added.some(({ path, endpoint }) => path.length > MOST_HOPS || endpoint.length > LONGEST_ENDPOINT)
  return isLong || isLarge || isMany(added, context) ? ending('route_limit', 'limit') : undefined
})

function isMany(added: readonly Announcement[], { update, countWith }: UpdateContext): boolean {
  // Counted one by one only where they could be too many.
  if (countWith([]) + added.length <= MOST_ROUTES) return false
  const removed = update.routes.filter(({ op }) => op === 'withdraw')
  return countWith(added.map(routeKey), removed.map(routeKey)) > MOST_ROUTES
}

/** One entry: the token and our own record of the peer must both allow its domain, and it must not have been here before. */
export interface EntryContext {
  readonly domain: string
  readonly path: readonly string[]
  /** Our own name. */
  readonly node: string
  /** `trusted_domains` of the token: absent means none. */
  readonly trusted: readonly string[]
  /** Domains of our record of the peer. */
  readonly allowed: readonly string[]
}

export const routeDomain = guard<EntryContext>('route.domain', ['route_domain_refused'], (entry) =>
  isUnder(entry.domain, entry.trusted) && isUnder(entry.domain, entry.allowed)
    ? undefined
    : { reason: 'route_domain_refused', status: null },
)

/** Our own name in the path: the route went round in a circle. */
export const routeLoop = guard<EntryContext>('route.loop', ['loop_dropped'], ({ path, node }) =>
  path.includes(node) ? { reason: 'loop_dropped', status: null } : undefined,
)
