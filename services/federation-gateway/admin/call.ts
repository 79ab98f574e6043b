import type { z } from 'zod'
import { isUuid } from '../ids.ts'
import {
  type Admin,
  apiTenant,
  type BearerDeps,
  passAdmin,
  passBody,
  passQuery,
  passTenant,
  sessionFor,
  type Thing,
} from '../listeners/bearer.ts'
import type { Exchange } from '../listeners/exchange.ts'
import type { PublicRoute } from '../listeners/public-listener.ts'
import type { Session } from '../storage/database.ts'
import { tenantOf } from '../storage/ownership.ts'
import { findTenant, onlyTenant } from '../storage/tenants.ts'
import { ADMIN_ROUTES, type AdminAction, type AdminAnswer, type AdminRoute, tenantMissing } from '../wire/admin.ts'

const LARGEST_BODY = 64 * 1024

type Routes = typeof ADMIN_ROUTES
type BodyOf<Action extends AdminAction> = Routes[Action] extends { body: z.ZodType }
  ? z.output<Routes[Action]['body']>
  : undefined

/** A request of an administrator whose members are what they must be. */
export interface AdminCall<Action extends AdminAction = AdminAction> {
  readonly exchange: Exchange
  readonly admin: Admin
  readonly query: z.output<Routes[Action]['query']>
  readonly body: BodyOf<Action>
  readonly parameters: Readonly<Record<string, string>>
}

/** One route: what it demands of whoever calls it, and then its work. */
export function adminRoute<Action extends AdminAction>(
  bearer: BearerDeps,
  action: Action,
  work: (call: AdminCall<Action>) => Promise<AdminAnswer<Action>>,
  { isOperatorOnly = false }: { isOperatorOnly?: boolean } = {},
): PublicRoute {
  const route: AdminRoute = ADMIN_ROUTES[action]
  const { method, path, status, bodyMayBeAbsent: mayBeAbsent = false } = route
  return {
    ...{ method, path, action },
    async handle(exchange, parameters) {
      const admin = await passAdmin(exchange, bearer, { isOperatorOnly })
      const query = await passQuery(exchange, route.query, { isDetailed: true })
      const options = { largest: LARGEST_BODY, mayBeAbsent, isDetailed: true }
      const body = route.body && (await passBody(exchange, route.body, options))
      const call = { exchange, admin, query, body, parameters } as unknown as AdminCall<Action>
      return { status, body: await work(call) }
    },
  }
}

/**
 * The tenant that a request is about, with everything that it names being of it. An administrator of a tenant has no other. An operator
 * may say which; else it is that of the first thing that is named, or the only one there is.
 *
 * @throws Refused
 */
export async function tenantFor(
  {
    exchange,
    admin,
    query,
  }: Pick<AdminCall, 'exchange' | 'admin'> & { readonly query: { tenant?: string | undefined } },
  bearer: Pick<BearerDeps, 'session'>,
  things: readonly Thing[] = [],
): Promise<string> {
  const session = sessionFor(exchange, bearer)
  const asked = query.tenant === undefined ? undefined : await findTenant(session, query.tenant)
  const isUnknown = query.tenant !== undefined && asked === undefined
  if (isUnknown) await exchange.pass([apiTenant], { things: [{ what: 'tenant', id: '' }], whose: async () => 'absent' })
  const all: Thing[] = [...(asked === undefined ? [] : [{ what: 'tenant', id: asked } as const]), ...things]
  const tenantId = admin.kind === 'tenant' ? admin.tenantId : await tenantOfFirst(session, all)
  if (tenantId === undefined && all.length === 0) await passQuery(exchange, tenantMissing, { isDetailed: true })
  // Of what is not there nobody is the owner: no tenant has this id.
  await passTenant(exchange, session, { tenantId: tenantId ?? exchange.requestId, things: all })
  if (tenantId === undefined) throw new Error('a request about no tenant passed for one about some')
  return tenantId
}

async function tenantOfFirst(session: Session, [first]: readonly Thing[]): Promise<string | undefined> {
  if (first === undefined) return onlyTenant(session)
  return isUuid(first.id) ? tenantOf(session, first) : undefined
}
