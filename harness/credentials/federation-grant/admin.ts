import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'
import type { Identity } from '../../pki/certificate.ts'
import { newRequest } from '../../pki/request.ts'
import type { HttpCall } from '../../topology/plan.ts'
import { NotIssued } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { PlanFederationGrant } from './planned.ts'

// What the operator of a lender and one of its peers do, each from its own node, by the interfaces that everybody has.

/** Enough for whatever a test tries: who calls too often is another test's. */
const RATE_LIMIT = 6_000

/** What an operator sees of a grant. */
export interface Grant {
  readonly id: string
  readonly status: 'pending' | 'active' | 'revoked' | 'expired'
  readonly certificateRevocation: 'none' | 'queued' | 'effective'
}

export interface Invitation {
  readonly token: string
}

/** What was waited for did not come in time. Code `HOLDFAST_LENDER_LATE`. */
class LenderLate extends HoldfastError {
  constructor(lender: string, what: string, withinMs: number, last: unknown) {
    const answer = JSON.stringify(last)?.slice(0, 300)
    super('HOLDFAST_LENDER_LATE', `${lender}: not within ${withinMs} ms ${what}; the last answer was ${answer}`)
  }
}

/** What is granted, to whom and by whom. */
export type Order = Pick<PlanFederationGrant, 'name' | 'issuer' | 'holders' | 'user' | 'document' | 'lender'>

/** A peer and a grant that nobody had before, and the invitation to it. */
export interface Begun {
  readonly commonName: string
  readonly peerId: string
  readonly grantId: string
  readonly invitation: Invitation
}

/** The operator of a lender, at its node. */
export class Operator {
  readonly #site: LiveSite
  readonly #planned: Order

  constructor(site: LiveSite, planned: Order) {
    this.#site = site
    this.#planned = planned
  }

  /** What is done to it by one test is nothing to another. */
  async begin({
    userId = this.#planned.user.id,
    ttlSeconds,
  }: {
    userId?: string
    ttlSeconds?: number
  } = {}): Promise<Begun> {
    const { host } = this.#site.node(this.#planned.holders[0]!)
    const commonName = `peer-${randomUUID().slice(0, 8)}.${host}`
    const { id: peerId } = await this.register(commonName)
    const { id: grantId } = await this.grant(peerId, { subjectUserId: userId })
    const invitation = await this.invite(grantId, ttlSeconds === undefined ? {} : { ttlSeconds })
    return { commonName, peerId, grantId, invitation }
  }

  /** A peer that may be given grants. */
  async register(commonName: string): Promise<{ id: string }> {
    return this.#ask('register a peer', 'POST', '/federation/peers', { commonName })
  }

  /** Grants what the plan says; with something changed. */
  async grant(peerId: string, changed: { subjectUserId?: string; expiresAt?: string } = {}): Promise<Grant> {
    const { document: scope, user } = this.#planned
    const asked = { peerId, subjectUserId: user.id, scope, rateLimit: RATE_LIMIT, allowSensitive: true, ...changed }
    return this.#ask('grant it', 'POST', '/federation/grants', asked)
  }

  async invite(grantId: string, asked: { ttlSeconds?: number } = {}): Promise<Invitation> {
    const path = `/federation/grants/${grantId}/tokens`
    const invitation = await this.#ask<Invitation>('invite its peer', 'POST', path, asked)
    this.#site.learn(invitation.token)
    return invitation
  }

  async revoke(grantId: string): Promise<Grant> {
    return this.#ask('revoke it', 'PATCH', `/federation/grants/${grantId}/revoke`, {})
  }

  /** Waits for what becomes of a grant by itself. */
  async until(grantId: string, what: string, is: (grant: Grant) => boolean, withinMs = 20_000): Promise<void> {
    const look = () => this.#ask<Grant>('look at it', 'GET', `/federation/grants/${grantId}`)
    await awaited(this.#site, this.#planned.issuer, { what, ask: look, is, withinMs })
  }

  /** Waits until it lends at all: before that it does not listen, as it does not know yet who is revoked. */
  async untilLending(): Promise<void> {
    const { issuer, lender } = this.#planned
    const call: HttpCall = { method: 'GET', url: `${lender.url}/readyz`, tls: { ca: lender.anchor }, expect: [200] }
    const ask = () => this.#site.callFrom(issuer, call)
    const is = ({ status }: { status: number }) => status === 200
    await awaited(this.#site, issuer, { what: 'did it lend', ask, is, withinMs: 30_000 })
  }

  /** A user of the tenant whom nothing else depends on. */
  async newUser(name: string): Promise<{ id: string }> {
    return this.#ask('make a user', 'POST', '/users', { name })
  }

  async disable(userId: string): Promise<void> {
    await this.#ask('disable a user', 'PATCH', `/users/${userId}`, { isDisabled: true })
  }

  async #ask<Answer>(step: string, method: HttpCall['method'], path: string, json?: unknown): Promise<Answer> {
    const { name, issuer, lender, user } = this.#planned
    const { anchor, operatorToken: bearer } = lender
    // An operator is for all tenants, and says which one is meant.
    const url = `${lender.url}/api/admin${path}?tenant=${user.tenant}`
    const call = { method, url, tls: { ca: anchor }, bearer, expect: [200, 201] }
    const answer = await this.#site.callFrom(issuer, { ...call, ...(json !== undefined && { json }) })
    if (!call.expect.includes(answer.status))
      throw new NotIssued(name, step, answer.status, JSON.stringify(answer.json))
    return answer.json as Answer
  }
}

/** Has a fresh key certified for an invitation. */
export async function redeem(order: Order, site: LiveSite, { commonName, invitation }: Begun): Promise<Identity> {
  const { keyPem, csrPem } = await newRequest({ subject: commonName, sans: [commonName] })
  const { status, json } = await sendRequest(order, site, { token: invitation.token, csrPem })
  return { certPem: chainIn(order.name, 'redeem the invitation', status, json), keyPem }
}

/** What a lender says to whoever redeems a token, from the node of a peer. */
export function sendRequest(
  { lender, holders }: Order,
  site: LiveSite,
  { token, csrPem }: { token: string; csrPem: string },
): Promise<{ status: number; json: unknown }> {
  const url = `${lender.url}/api/federation/enrollment/${token}`
  const call: HttpCall = { method: 'POST', url, tls: { ca: lender.anchor }, json: { csrPem }, expect: [200] }
  return site.callFrom(holders[0]!, call)
}

/** Has a key certified in the place of the one that is presented. */
export async function renew(
  planned: PlanFederationGrant,
  site: LiveSite,
  { holder, commonName, identity }: { holder: string; commonName: string; identity: Identity },
): Promise<Identity> {
  const { keyPem, csrPem } = await newRequest({ subject: commonName, sans: [commonName] })
  const { status, text } = await site.callWith(identity, holder, verb(planned, 'POST', 'renew', { csrPem }))
  const json = status === 200 ? JSON.parse(text) : text
  return { certPem: chainIn(planned.name, 'renew it', status, json), keyPem }
}

/** Whether a certificate is let in: by what asks for no row. */
export async function isLetIn(
  planned: PlanFederationGrant,
  site: LiveSite,
  { holder, identity }: { holder: string; identity: Identity },
): Promise<boolean> {
  const { status } = await site.callWith(identity, holder, verb(planned, 'GET', 'capabilities'))
  return status === 200
}

interface Awaiting<Answer> {
  readonly what: string
  ask(): Promise<Answer>
  is(answer: Answer): boolean
  /** As it is elsewhere: on slow nodes longer. */
  readonly withinMs: number
}

/** Asks again until the answer is what is waited for. @throws LenderLate */
export async function awaited<Answer>(
  site: Pick<LiveSite, 'bound'>,
  lender: string,
  { what, ask, is, withinMs: elsewhereMs }: Awaiting<Answer>,
): Promise<void> {
  const withinMs = site.bound(elsewhereMs)
  const end = performance.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (is(answer)) return
    if (performance.now() > end) throw new LenderLate(lender, what, withinMs, answer)
    await pause(100)
  }
}

function verb({ lender }: PlanFederationGrant, method: 'GET' | 'POST', name: string, json?: unknown): HttpCall {
  const url = `${lender.lends}/api/federation/v1/${name}`
  return { method, url, tls: { ca: lender.anchor }, ...(json !== undefined && { json }), expect: [200] }
}

function chainIn(name: string, step: string, status: number | null, json: unknown): string {
  const { certPem, certChainPem } = (json ?? {}) as Readonly<Record<string, unknown>>
  if (status !== 200 || typeof certPem !== 'string' || typeof certChainPem !== 'string') {
    throw new NotIssued(name, step, status, JSON.stringify(json))
  }
  const whole = certChainPem.includes(certPem.trim()) ? certChainPem : `${certPem.trimEnd()}\n${certChainPem}`
  return `${whole.trimEnd()}\n`
}
