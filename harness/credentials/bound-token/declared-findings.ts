import type { Plan } from '../../topology/plan.ts'
import type { Finding } from '../finding.ts'
import { credentialsOf } from '../of-kind.ts'
import { trustIn } from './trust.ts'

/** What a plan says of tokens, and of who believes them, that compiles and yet cannot be meant. */
export function declaredTokenFindings(plan: Plan): Finding[] {
  return [...strangeAudiences(plan), ...strangeIssuers(plan)]
}

function strangeAudiences(plan: Plan): Finding[] {
  const known = [
    ...Object.values(plan.nodes).map(({ host }) => `https://${host}`),
    ...Object.values(plan.trustDomains).flatMap(({ peeringAudience }) => peeringAudience ?? []),
  ]
  const all = credentialsOf(plan, 'bound-token').flatMap(({ name, audience }) => audience.map((uri) => ({ name, uri })))
  return all.flatMap(({ name, uri }): Finding[] => {
    const meant = known.includes(uri) ? undefined : known.find((one) => looselyEqual(one, uri))
    if (meant === undefined) return []
    const message = `has the audience ${uri}, which looks like ${meant} and is another text`
    return [{ check: 'audience-text', thing: name, place: `credentials.${name}`, message, wayOut: `write ${meant}` }]
  })
}

/** Issuers are those of the trust domains, and whoever mints a token of the plan. */
function strangeIssuers(plan: Plan): Finding[] {
  const ofDomains = Object.values(plan.trustDomains).flatMap(({ issuerUrl }) => issuerUrl ?? [])
  const known = [...new Set([...ofDomains, ...credentialsOf(plan, 'bound-token').map(({ iss }) => iss)])]
  const units = Object.values(plan.nodes).flatMap(({ name, units }) => units.map((unit) => ({ node: name, unit })))
  return units.flatMap(({ node, unit }) => {
    const believed = new Set(Object.values(unit.verification ?? {}).flatMap((one) => trustIn(one).issuer ?? []))
    return [...believed].flatMap((issuer): Finding[] => {
      if (known.includes(issuer)) return []
      const message = `believes the issuer ${issuer}, which nobody of this topology is`
      const wayOut = `name one of ${known.join(', ')}`
      return [{ check: 'issuer-text', thing: `${node}/${unit.name}`, place: node, message, wayOut }]
    })
  })
}

/** Whether two texts are the same but for case, a trailing slash and the port that `https` has anyway. */
export function looselyEqual(one: string, other: string): boolean {
  const loose = (text: string) => (URL.canParse(text) ? new URL(text).href : text).toLowerCase().replace(/\/+$/, '')
  return one !== other && loose(one) === loose(other)
}
