import { type Compilation, needAnchor, own, type PlannedUnit } from './compilation.ts'
import { durationSeconds } from './duration.ts'
import { holderOf, placeOf } from './holders.ts'
import { anchorPath, anchorUnit, credentialPath } from './paths.ts'
import type {
  Enrol,
  HttpCall,
  MintRenewal,
  PlanBoundToken,
  PlanCertificate,
  PlanUnit,
  TlsFiles,
  UnitRef,
} from './plan.ts'
import { handoverOf } from './schema.ts'

/** Share of a token's life after which it is minted anew. */
const renewAt = 0.8

/** How a certificate is enrolled for, and what its holder needs for that. */
export function enrolmentOf(compilation: Compilation, certificate: Omit<PlanCertificate, 'enrol'>): Enrol {
  const authority = compilation.authorities.get(certificate.issuer)!
  needAnchor(compilation, holderOf(certificate), authority.domain)
  return {
    credential: certificate.name,
    ca: certificate.issuer,
    url: authority.url,
    anchor: anchorPath(authority.domain),
    subject: certificate.subject,
    sans: certificate.sans,
    lifetimeSeconds: certificate.lifetimeSeconds,
    dir: placeOf(certificate),
    provisioner: authority.provisioner,
  }
}

/** A token before anybody said how it is minted. */
export type TokenOrder = Omit<PlanBoundToken, 'mint'>

/** How a token is minted, and what its holder needs to prove its certificate. */
export function mintingOf(compilation: Compilation, token: TokenOrder): PlanBoundToken['mint'] {
  const issuer = compilation.issuers.get(token.issuer)!
  needAnchor(compilation, holderOf(token), issuer.domain)
  const folder = credentialPath(token.boundTo, compilation.topology.credentials[token.boundTo]!)
  const tls: TlsFiles = { ca: anchorPath(issuer.domain), cert: `${folder}/cert.pem`, key: `${folder}/key.pem` }
  const prove: HttpCall = { ...issuer.prove(token), tls }
  return { prove, mint: issuer.mint(token), member: issuer.member }
}

/** The oneshots that put roots on their nodes. */
export function anchorUnits(compilation: Compilation, node: string): PlanUnit[] {
  return [...(compilation.anchors.get(node) ?? [])].flatMap((domain) => {
    const ca = own(compilation.topology.trustDomains, domain)?.ca
    const authority = ca === undefined ? undefined : compilation.authorities.get(ca)
    if (ca === undefined || authority === undefined) return []
    const to = { path: anchorPath(domain), mode: '0644' }
    return oneshot(node, {
      ref: anchorUnit(node, domain),
      kind: 'anchor',
      summary: `receives the root of ${domain} from ${ca}`,
      after: [authority.unit],
      steps: [{ receive: { from: ca, source: { file: authority.root }, to } }],
    })
  })
}

/** The oneshot in which a holder gets a certificate. */
export function enrolUnit(compilation: Compilation, certificate: PlanCertificate): PlanUnit {
  const { name, issuer, enrol } = certificate
  const holder = holderOf(certificate)
  const authority = compilation.authorities.get(issuer)!
  return oneshot(holder, {
    ref: `${holder}/${name}`,
    kind: 'enrol',
    summary: `gets the certificate ${name} from ${issuer}`,
    after: [anchorUnit(holder, authority.domain)],
    steps: [{ enrol }],
  })
}

/** For each issuer, the oneshot in which a holder proves its certificates there. */
export function proveUnits(compilation: Compilation, node: string, tokens: readonly PlanBoundToken[]): PlanUnit[] {
  const byIssuer = Map.groupBy(tokens, (token) => token.issuer)
  return [...byIssuer].map(([issuerNode, held]) => {
    const issuer = compilation.issuers.get(issuerNode)!
    const calls = new Map(held.map(({ mint }) => [JSON.stringify(mint.prove), mint.prove]))
    return oneshot(node, {
      ref: proveUnit(node, issuerNode),
      kind: 'prove',
      summary: `proves its certificate at ${issuerNode}`,
      after: [issuer.after, anchorUnit(node, issuer.domain), ...held.map(({ boundTo }) => `${node}/${boundTo}`)],
      steps: [...calls.values()].map((call) => ({ call })),
    })
  })
}

/** The oneshot in which a holder receives a token. */
export function mintUnit(compilation: Compilation, token: PlanBoundToken): PlanUnit {
  const { name, issuer } = token
  const holder = holderOf(token)
  const handover = handoverOf(compilation.topology.credentials[name]!)
  const { mint, member } = token.mint
  const renew: MintRenewal = { lifetimeSeconds: livesFor(compilation, token), at: renewAt }
  return oneshot(holder, {
    ref: `${holder}/${name}`,
    kind: 'mint',
    summary: `receives the token ${name} from ${issuer}`,
    after: [proveUnit(holder, issuer)],
    steps: [
      {
        receive: {
          from: issuer,
          source: { mint, member, renew },
          to: { path: placeOf(token), mode: handover.mode, owner: handover.owner, group: handover.group },
        },
      },
    ],
  })
}

/** In seconds. A token never outlives the certificate that it is bound to. */
function livesFor({ topology }: Compilation, { boundTo, lifetimeSeconds }: PlanBoundToken): number {
  const certificate = own(topology.credentials, boundTo)
  return Math.min(lifetimeSeconds, durationSeconds(certificate?.lifetime ?? '') ?? lifetimeSeconds)
}

/** A declared unit as its kind planned it, with the oneshots that the kind brings along. */
export function declaredUnits({ unit, plan, after }: PlannedUnit, declaredAfter: readonly UnitRef[]): PlanUnit[] {
  const planned: PlanUnit = {
    name: unit.name,
    kind: unit.kind.name,
    summary: plan.summary,
    after: unique([...declaredAfter, ...(plan.after ?? []), ...after]),
    files: plan.files,
    steps: plan.steps ?? [],
    service: plan.service,
    verification: plan.verification,
    actions: plan.actions ?? unit.kind.actions,
    observe: plan.observe ?? unit.kind.observe,
    proof: plan.proof,
    guards: unit.kind.guards,
    surfaces: plan.surfaces ?? unit.kind.surfaces,
  }
  return [planned, ...(plan.companions ?? [])]
}

function proveUnit(node: string, issuer: string): UnitRef {
  return `${node}/prove-${issuer}`
}

function oneshot(
  node: string,
  { ref, after, ...unit }: Pick<PlanUnit, 'kind' | 'summary' | 'after' | 'steps'> & { ref: UnitRef },
): PlanUnit {
  return { name: ref.slice(node.length + 1), ...unit, after: unique(after), files: [] }
}

function unique(refs: readonly UnitRef[]): UnitRef[] {
  return [...new Set(refs)]
}
