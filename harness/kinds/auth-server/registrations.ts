import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { defaultCertificate } from '../../credentials/certificate/planned.ts'
import type { UnitContext } from '../../topology/kind.ts'
import { holdersOf } from '../../topology/schema.ts'

type Unit = UnitContext<unknown>

/** What the operator API takes at `PUT /clients/{id}`, for each subject of a token that is minted here and each node that validates its tokens here. */
export function registrationsOf(unit: Unit) {
  const bySubject = Map.groupBy(unit.issued('bound-token'), (token) => token.subject)
  const validating = validatingNodes(unit)
  const names = [...new Set([...bySubject.keys(), ...validating.keys()])]
  return names.flatMap((name) => {
    const tokens = bySubject.get(name) ?? []
    const identity = identityOf(unit, name, tokens)
    if (identity === undefined) return []
    const grants = grantsOf(unit, tokens)
    return { client_id: name, method: 'tls_client_auth', ...identity, grants, introspects: validating.get(name) ?? [] }
  })
}

/** Nodes of which a unit asks this server about tokens, with the audiences of the tokens that it is shown. */
function validatingNodes(unit: Unit): Map<string, string[]> {
  const asking = unit.insiders().filter(({ insider }) => insider.asks?.issuer === unit.node)
  const byNode = Map.groupBy(asking, ({ node }) => node)
  return new Map([...byNode].map(([node, all]) => [node, union(all.map(({ insider }) => insider.asks!.audiences))]))
}

function identityOf({ topology }: Unit, name: string, [token]: readonly PlanBoundToken[]) {
  const { credentials, nodes, trustDomains } = topology
  const certificate = credentials[token?.boundTo ?? defaultCertificate(name)]
  const [holds] = certificate === undefined ? (token?.holders ?? []) : holdersOf(certificate)
  const holder = nodes[holds ?? name]
  if (holder === undefined) return undefined
  const authority = certificate?.issuer.split('/')[0]
  const [trustDomain] = Object.entries(trustDomains).find(([, { ca }]) => ca === authority) ?? [holder.domain]
  const subject = certificate?.kind === 'certificate' ? certificate.subject : undefined
  return { sanDns: subject ?? holder.host, trustDomain }
}

function grantsOf(unit: Unit, tokens: readonly PlanBoundToken[]) {
  const byResource = Map.groupBy(tokens, ({ resource }) => resource)
  return [...byResource].map(([resource, alike]) => {
    const [first] = alike as [PlanBoundToken]
    const other = alike.find(({ audience, use }) => `${audience} ${use}` !== `${first.audience} ${first.use}`)
    if (other !== undefined) {
      const clash = `the credentials "${first.name}" and "${other.name}" are for one subject and one audience`
      unit.mistake('', `${clash}, but differ in their other audiences or their use; make them alike`)
    }
    const nodes = alike.flatMap((token) => token.nodes ?? [])
    return {
      resource,
      aud: first.audience,
      use: first.use,
      scopes: union(alike.map((token) => token.scope)),
      trustedDomains: union(alike.map((token) => token.domains ?? [])),
      ...(nodes.length === 0 ? {} : { trustedNodes: [...new Set(nodes)] }),
      maxTtlSeconds: Math.max(30, ...alike.map((token) => token.lifetimeSeconds)),
    }
  })
}

function union(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())]
}
