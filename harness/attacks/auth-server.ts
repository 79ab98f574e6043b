import type { PlanBoundToken } from '../credentials/bound-token/planned.ts'
import type { CallOptions } from '../site/call.ts'
import type { Credential } from '../site/credential.ts'
import type { Verdict } from '../site/verdict.ts'
import { holderOf } from '../topology/holders.ts'
import type { Lab } from './lab.ts'

/** A token that the auth server which is the target mints, by the rules of the plan. @throws AttackWorks */
export function mintedHere(lab: Lab): PlanBoundToken {
  const { node } = lab.target
  return lab.tokenWhere(({ issuer }) => issuer === node, `${node} mints no token of the plan`)
}

/** One that it mints for another client. @throws AttackWorks */
export function otherThan(lab: Lab, { subject }: Pick<PlanBoundToken, 'subject'>): PlanBoundToken {
  const { node } = lab.target
  const isOther = (token: PlanBoundToken) => token.issuer === node && token.subject !== subject
  return lab.tokenWhere(isOther, `${node} mints tokens for one client only`)
}

/** Asks it for that token, as its client would; the form says what is asked otherwise. */
export function requested(
  lab: Lab,
  credential: Credential,
  form: Readonly<Record<string, string>> = {},
  options: CallOptions = {},
): Promise<Verdict> {
  const token = mintedHere(lab)
  const plain = { grant_type: 'client_credentials', client_id: token.subject, resource: token.resource }
  const at = { from: holderOf(token), action: 'token:request' }
  return lab.callAt(at, credential, { ...options, form: { ...plain, ...form } })
}

/** Registers a client, which is there until the test ends. */
export async function registered(lab: Lab, client: { client_id: string; [member: string]: unknown }): Promise<void> {
  const operator = lab.site.operator(lab.target.node)
  const path = `/operator/v1/clients/${client.client_id}`
  const { status } = await operator.put(path, client)
  lab.demand(status === 201, `it answered ${status} to the registration of a client`)
  lab.site.own({ [Symbol.asyncDispose]: async () => void (await operator.delete(path)) })
}

/** What a client may have that is registered for this resource only. */
export function grantFor(resource: string) {
  const scope = { use: 'node', scopes: ['node:read'], trustedDomains: [] }
  return { grants: [{ resource, aud: [resource], ...scope, maxTtlSeconds: 60 }], introspects: [] }
}

/** The states of its tokens, by their `jti`, as the operator sees them; of one client, or of all. */
export async function tokenStates(lab: Lab, subject?: string): Promise<ReadonlyMap<string, string>> {
  const path = `/operator/v1/tokens?limit=1000${subject === undefined ? '' : `&subject=${subject}`}`
  const { json } = await lab.site.operator(lab.target.node).get(path)
  const { tokens } = json as { tokens: { jti: string; state: string }[] }
  return new Map(tokens.map(({ jti, state }) => [jti, state]))
}
