import type { z } from 'zod'
import {
  ADMIN_ROUTES,
  type AdminAction,
  type AdminAnswer,
  type AdminBody,
  type AdminQuery,
  adminPath,
  type GrantAnswer,
  type Invitation,
} from '../../../services/federation-gateway/wire/admin.ts'
import { BearerClient } from './bearer-client.ts'
import type { Reply } from './reply.ts'
import type { ScopeDocument } from './scopes.ts'

export type { GrantAnswer, Invitation }

export interface Asked<Action extends AdminAction> {
  /** What the path has `:id` and the like for. */
  readonly parameters?: Readonly<Record<string, string>>
  readonly query?: AdminQuery<Action>
  readonly body?: AdminBody<Action>
}

/** What a new grant may be made of, beside its parties. */
export interface GrantChoices {
  readonly scope: ScopeDocument
  readonly expiresAt?: string
  /** Requests in 60 s. Default: 6 000, as many as can be allowed. */
  readonly rateLimit?: number
  readonly allowSensitive?: boolean
}

/** The administration of a gateway, as an operator or as the administrator of a tenant. */
export class Admin extends BearerClient {
  /** Asks, and takes whatever comes. Bodies that no schema allows: by `call`. */
  try<Action extends AdminAction>(action: Action, asked: Asked<Action> = {}): Promise<Reply<AdminAnswer<Action>>> {
    const { method, answer } = ADMIN_ROUTES[action]
    const path = adminPath(action, asked.parameters, asked.query)
    return this.call(method, path, asked.body, { schema: answer as z.ZodType as z.ZodType<AdminAnswer<Action>> })
  }

  /** Asks, and answers what a good answer holds. @throws ReplyUnexpected */
  async ask<Action extends AdminAction>(action: Action, asked: Asked<Action> = {}): Promise<AdminAnswer<Action>> {
    return (await this.try(action, asked)).value
  }

  grant(id: string): Promise<GrantAnswer> {
    return this.ask('grant:show', { parameters: { id } })
  }

  /** For the peer of a grant: the token is told this once. */
  invite(grantId: string, body: AdminBody<'grant:token'> = {}): Promise<Invitation> {
    return this.ask('grant:token', { parameters: { id: grantId }, body })
  }

  changeScope(grantId: string, scope: ScopeDocument): Promise<GrantAnswer> {
    return this.ask('grant:scope', { parameters: { id: grantId }, body: { scope } })
  }

  revoke(grantId: string, reason?: string): Promise<GrantAnswer> {
    const body = reason === undefined ? {} : { reason }
    return this.ask('grant:revoke', { parameters: { id: grantId }, body })
  }
}
