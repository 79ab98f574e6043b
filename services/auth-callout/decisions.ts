import { unavailable } from '../shared/bearer.ts'
import { acceptedClaims, type TokenPolicy, tokenGuards, tokenPrincipal } from '../shared/bound-token.ts'
import { type Decision, type DecisionLog, recordUnanswered } from '../shared/decision-log.ts'
import { firstRefusal, type Refusal } from '../shared/guard.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { tokenActive } from '../shared/token-active.ts'
import {
  calloutCarrier,
  calloutIdentity,
  calloutSentinel,
  type Hosts,
  type LoginContext,
  type Sentinel,
} from './guards/callout-login.ts'
import { calloutRequest } from './guards/callout-request.ts'
import { liveRecheck } from './guards/live-recheck.ts'
import type { LoginRequest } from './request.ts'

export interface JudgeOptions {
  readonly node: string
  readonly policy: TokenPolicy
  readonly audience: string
  /** As it is at that moment. */
  readonly sentinel: () => Sentinel
  readonly decideWithinMs: number
  readonly userSeconds: number
  readonly decisions: Pick<DecisionLog, 'record'>
  readonly log: Pick<Log, 'error'>
  /** As they are declared at that moment. */
  readonly hosts: () => Hosts
}

/** `exp`: when the login ends, in seconds since 1970. */
export type Judged =
  | { readonly decision: string; readonly host: string; readonly exp: number; readonly context: LoginContext }
  | { readonly decision: string; readonly host?: undefined }

interface Refused {
  readonly guard: string | null
  readonly refusal: Pick<Refusal, 'reason'>
}

/**
 * Decides about logins, and puts each decision on record before it is answered. Where it cannot be put on record nobody is let in, and
 * whoever is refused is refused all the same.
 */
export class Judge {
  readonly #options: JudgeOptions

  constructor(options: JudgeOptions) {
    this.#options = options
  }

  /**
   * @param serverId the broker that this connection is on
   * @param began when the request came, on the clock of the process: from then on the broker waits
   */
  async login(request: LoginRequest | undefined, serverId: string, began = performance.now()): Promise<Judged> {
    const { policy } = this.#options
    const unread = await firstRefusal([calloutRequest], { request, serverId, now: policy.now() })
    if (request === undefined || unread !== undefined) return this.#refused(request, unread, began)
    const context = this.#contextOf(request)
    const refused = await this.#judge(context, began)
    if (refused !== undefined) return this.#refused(request, refused, began, context)
    const claims = acceptedClaims(context)
    const now = Math.floor(policy.now() / 1000)
    const certificateEnds = Math.floor((request.certificate?.notAfter ?? 0) / 1000)
    const exp = Math.min(claims.exp, certificateEnds, now + this.#options.userSeconds)
    const accepted = this.#decision(request, began, { verdict: 'accepted', guard: null, reason: null }, context)
    try {
      this.#options.decisions.record(accepted)
    } catch (failure) {
      this.#options.log.error('decision-not-recorded', failureFields(failure))
      return this.#refused(request, undefined, began, context)
    }
    return { decision: accepted.requestId, host: claims.sub, exp, context }
  }

  /**
   * Whether those who are in with one token may stay. It is bound to one certificate, so what ends one of them ends all, each with a
   * record of its own: to ask about the next one could bring no answer, and leave him in.
   */
  async live(same: readonly LoginContext[]): Promise<boolean> {
    const began = performance.now()
    const [one] = same
    if (one === undefined) return true
    const refused = await firstRefusal([liveRecheck], { ...one, hosts: this.#options.hosts() })
    if (refused === undefined) return true
    const outcome = { verdict: 'refused' as const, guard: refused.guard, reason: refused.refusal.reason }
    for (const context of same) {
      this.#unanswered(
        this.#decision(context.request, began, { ...outcome, action: 'nats:session', layer: 'session' }, context),
      )
    }
    return false
  }

  #contextOf(request: LoginRequest): LoginContext {
    const { policy, audience, sentinel, hosts } = this.#options
    return {
      ...{ request, policy, sentinel: sentinel(), hosts: hosts(), token: request.login.token ?? '' },
      ...{ thumbprint: request.certificate?.x5t, audiences: [audience], scope: 'nats:connect' },
    }
  }

  /** Whatever fails inside is a refusal, and none takes longer than the broker waits. */
  async #judge(context: LoginContext, began: number): Promise<Refused | undefined> {
    const { policy, decideWithinMs } = this.#options
    const order = [...[calloutSentinel, calloutCarrier], ...tokenGuards<LoginContext>(policy.mode, [calloutIdentity])]
    const tooLate = { guard: tokenActive.id, refusal: unavailable('auth_unavailable') }
    const leftMs = began + decideWithinMs - performance.now()
    // The broker has refused it already: nobody is asked about it, and nothing else is put on record.
    if (leftMs <= 0) return tooLate
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Refused>((resolve) => {
      timer = setTimeout(() => resolve(tooLate), leftMs)
    })
    try {
      return await Promise.race([firstRefusal(order, context), late])
    } catch {
      return { guard: null, refusal: { reason: 'server_error' } }
    } finally {
      clearTimeout(timer)
    }
  }

  #refused(
    request: LoginRequest | undefined,
    refused: Refused | undefined,
    began: number,
    context?: LoginContext,
  ): Judged {
    const { guard, refusal } = refused ?? { guard: null, refusal: { reason: 'server_error' } }
    const outcome = { verdict: 'refused' as const, guard, reason: refusal.reason }
    const decision = this.#decision(request, began, outcome, context)
    this.#unanswered(decision)
    return { decision: decision.requestId }
  }

  #unanswered(decision: Decision): void {
    recordUnanswered(this.#options.decisions, this.#options.log, decision)
  }

  #decision(
    request: LoginRequest | undefined,
    began: number,
    outcome: Pick<Decision, 'verdict' | 'guard' | 'reason'> & Partial<Decision>,
    context?: LoginContext,
  ): Decision & { cid?: number } {
    const certificate = request?.certificate
    return {
      // The broker tells the address of the caller and no port; by the number it is found in the broker's own log.
      ...{ conn: request?.client.address ?? '', listener: 'callout', requestId: crypto.randomUUID() },
      ...{ action: 'nats:login', layer: 'broker', status: null, error: null, target: this.#options.node },
      principal: {
        ...(certificate === undefined ? {} : { 'x5t#S256': certificate.x5t, san: certificate.sans.join(' ') }),
        ...(context === undefined ? {} : tokenPrincipal(context)),
      },
      ms: performance.now() - began,
      ...outcome,
      ...(request === undefined ? {} : { cid: request.client.cid }),
    }
  }
}
