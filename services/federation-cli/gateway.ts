import type { z } from 'zod'
import {
  ADMIN_ROUTES,
  type AdminAction,
  type AdminAnswer,
  type AdminBody,
  type AdminQuery,
  adminPath,
} from '../federation-gateway/wire/admin.ts'
import { type Configuration, readAccess } from './config.ts'
import { contentOf, createAsker } from './https.ts'

/** The administration of one gateway, as one administrator. */
export interface Gateway {
  /** @throws CommandFailed */
  ask<Action extends AdminAction>(action: Action, given?: Given<Action>): Promise<AdminAnswer<Action>>
  close(): void
}

export interface Given<Action extends AdminAction> {
  /** What the path has `:id` and the like for. */
  readonly parameters?: Readonly<Record<string, string>>
  readonly query?: Omit<AdminQuery<Action>, 'tenant'>
  readonly body?: AdminBody<Action>
  /** For an answer that nobody waits longer for. */
  readonly deadlineMs?: number
}

/** @throws StartFailure */
export function openGateway(configuration: Configuration): Gateway {
  const { tenant, url: origin } = configuration
  const { token, ca } = readAccess(configuration)
  const what = 'the gateway'
  const untrusted = 'name the root of its certificate by --gateway-ca (FEDERATION_CA), and a URL with a name in it'
  const asker = createAsker({ what, origin, ca, untrusted })
  return {
    async ask(action, { parameters = {}, query = {}, body, deadlineMs } = {}) {
      const { method, answer } = ADMIN_ROUTES[action]
      const said = { ...(tenant !== undefined && takesTenant(action) && { tenant }), ...query }
      const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
      const path = adminPath(action, parameters, given)
      const headers = { authorization: `Bearer ${token}` }
      const answered = await asker.ask({
        method,
        path,
        headers,
        ...(body !== undefined && { body }),
        ...(deadlineMs !== undefined && { deadlineMs }),
      })
      return contentOf(answered, answer as z.ZodType as z.ZodType<AdminAnswer<typeof action>>, { what, wayOut })
    },
    close: () => asker.close(),
  }
}

/** Of what belongs to no tenant nobody says whose it is. */
function takesTenant(action: AdminAction): boolean {
  return 'tenant' in ADMIN_ROUTES[action].query.shape
}

function wayOut(status: number): string | undefined {
  if (status === 401) return 'see the file of --admin-token-file (FEDERATION_ADMIN_TOKEN_FILE)'
  return status === 404 ? 'see that it is of your tenant (an operator says which by --tenant)' : undefined
}

/** Every item of a list, page by page. */
export async function allOf<Action extends 'peer:list' | 'grant:list'>(
  gateway: Gateway,
  action: Action,
  query: Omit<AdminQuery<Action>, 'tenant' | 'limit' | 'cursor'> = {} as never,
): Promise<AdminAnswer<Action>['items'][number][]> {
  const items: AdminAnswer<Action>['items'][number][] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = { ...query, limit: '1000', ...(cursor !== undefined && { cursor }) }
    const answer = await gateway.ask(action, { query: page as never })
    items.push(...answer.items)
    cursor = answer.nextCursor
  }
  return items
}
