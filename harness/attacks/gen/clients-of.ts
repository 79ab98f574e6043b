import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { credentialsOf } from '../../credentials/of-kind.ts'
import { NotInPlan } from '../../site/site-files.ts'
import type { Lab } from '../lab.ts'

/** A token that the attacked auth server mints: its client, its holder, and where it is accepted. */
export interface ClientToken {
  readonly credential: PlanBoundToken
  readonly accepted: { readonly node: string; readonly action: string }
}

/** The tokens of the auth server that is the target, each with a place where it is accepted. */
export function clientTokens(lab: Lab): ClientToken[] {
  const { accepts } = lab.plan
  return credentialsOf(lab.plan, 'bound-token').flatMap((credential) => {
    if (credential.issuer !== lab.target.node) return []
    const accept = accepts.find((one) => one.credential === credential.name)
    return accept === undefined ? [] : [{ credential, accepted: { node: accept.target, action: accept.action } }]
  })
}

/** The first two that belong to different clients. @throws NotInPlan */
export function twoClients(lab: Lab): { own: ClientToken; other: ClientToken } {
  const [own, ...rest] = clientTokens(lab)
  const other = rest.find(({ credential }) => credential.subject !== own?.credential.subject)
  if (own === undefined || other === undefined) {
    throw new NotInPlan(lab.site.site, `${lab.target.node} has no two clients`, Object.keys(lab.plan.credentials))
  }
  return { own, other }
}
