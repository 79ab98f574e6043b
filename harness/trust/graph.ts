import type { CredentialKind } from '../credentials/credential-kind.ts'
import { callerOf, issuingDomain } from '../topology/holders.ts'
import { receivesRoot } from '../topology/paths.ts'
import type { Plan, PlanCredential } from '../topology/plan.ts'

/** Who issues what to whom, and who accepts it: all that a plan says about trust. */
export interface TrustGraph {
  topology: string
  summary: string
  issuers: GraphIssuer[]
  /** The kinds of credentials, and how pictures show them. */
  kinds: { name: string; arrow: CredentialKind['arrow'] }[]
  credentials: GraphCredential[]
  targets: GraphTarget[]
  edges: GraphEdge[]
  nodes: GraphNode[]
}

export interface GraphNode {
  name: string
  host: string
  domain: string
  /** Those that it is in, where the topology declares some. */
  networks?: readonly string[]
  /** What runs there: the kinds of its services. */
  kinds: string[]
}

export interface GraphIssuer {
  node: string
  /** The trust domain that it issues for. */
  domain: string
  /** The credential kind. */
  issues: string
  /** `iss` of its tokens. */
  url?: string
}

/** A credential of the plan, with the trust domain of its issuer. */
export type GraphCredential = PlanCredential & { domain: string }

/** A node that accepts credentials. */
export interface GraphTarget {
  node: string
  domain: string
  /** The issuer whose tokens it accepts. */
  believes?: string
  /** Trust domains whose root lies on the node: certificates of no other one pass its TLS. */
  anchors: string[]
  actions: string[]
}

/** `issues`: from an issuer to a holder. `accepts`: from a holder to the target that accepts the credential. */
export interface GraphEdge {
  kind: 'issues' | 'accepts'
  from: string
  to: string
  credential: string
  /** Only of `accepts`. */
  actions: string[]
}

/** The trust graph of a plan, with credentials of these kinds. Pure. */
export function trustGraph(plan: Plan, kinds: readonly CredentialKind[]): TrustGraph {
  const credentials = Object.values(plan.credentials).map((one) => {
    return { ...one, domain: issuingDomain(plan, one.issuer) }
  })
  return {
    topology: plan.topology,
    summary: plan.summary,
    nodes: Object.values(plan.nodes).map(({ name, host, domain, networks, units }) => {
      const kinds = units.filter((unit) => unit.service !== undefined).map((unit) => unit.kind)
      return { name, host, domain, ...(networks && { networks }), kinds }
    }),
    issuers: issuersOf(plan, kinds),
    kinds: kinds.map(({ name, arrow }) => ({ name, arrow })),
    credentials,
    targets: targetsOf(plan),
    edges: [...credentials.flatMap(issueEdges), ...acceptEdges(plan)],
  }
}

/** Those that trust domains name, then whoever else issues a credential. */
function issuersOf(plan: Plan, kinds: readonly CredentialKind[]): GraphIssuer[] {
  const named = Object.entries(plan.trustDomains).flatMap(([domain, trustDomain]) =>
    kinds.flatMap(({ name: issues, issuing: { role } }): GraphIssuer[] => {
      const node = role && trustDomain[role]
      if (node === undefined) return []
      return [{ node, domain, issues, ...(role === 'issuer' && { url: trustDomain.issuerUrl }) }]
    }),
  )
  const others = new Map<string, GraphIssuer>()
  for (const { kind: issues, issuer: node } of Object.values(plan.credentials)) {
    if (named.some((one) => one.node === node && one.issues === issues)) continue
    others.set(`${node} ${issues}`, { node, domain: issuingDomain(plan, node), issues })
  }
  return [...named, ...others.values()]
}

function targetsOf(plan: Plan): GraphTarget[] {
  const byTarget = Map.groupBy(plan.accepts, ({ target }) => target)
  const domains = Object.keys(plan.trustDomains)
  return [...byTarget].map(([node, accepts]) => {
    const { domain } = plan.nodes[node]!
    return {
      node,
      domain,
      believes: plan.trustDomains[domain]?.issuer,
      anchors: domains.filter((one) => receivesRoot(plan.nodes[node]!, one)),
      actions: [...new Set(accepts.map(({ action }) => action))],
    }
  })
}

function issueEdges({ issuer, holders, name }: GraphCredential): GraphEdge[] {
  return holders.map((holder) => ({ kind: 'issues', from: issuer, to: holder, credential: name, actions: [] }))
}

function acceptEdges(plan: Plan): GraphEdge[] {
  const grouped = Map.groupBy(plan.accepts, (one) => `${one.credential} ${callerOf(plan, one)} ${one.target}`)
  return [...grouped.values()].map((accepts) => {
    const { target, credential } = accepts[0]!
    const from = callerOf(plan, accepts[0]!)
    return { kind: 'accepts', from, to: target, credential, actions: accepts.map(({ action }) => action) }
  })
}
