import { type Compilation, isDeclared, type NodeOffer, needAnchor, own } from '../../topology/compilation.ts'
import type { Declared } from '../../topology/credential-kind.ts'
import { durationSeconds, durationText } from '../../topology/duration.ts'
import { issuerOf } from '../../topology/offers.ts'
import { anchorPath, credentialPath } from '../../topology/paths.ts'
import type { TlsFiles } from '../../topology/plan.ts'
import { holdersOf } from '../../topology/schema.ts'
import { defaultCertificate } from '../certificate/planned.ts'
import type { BoundTokenDeclaration, PlanBoundToken, TokenIssuer, TokenOrder } from './planned.ts'

type Declaration = Declared<BoundTokenDeclaration>

/** What a topology says of a token, with everything filled in. */
export function resolveToken(compilation: Compilation, declared: Declaration): PlanBoundToken | undefined {
  const { name, declaration, holder, files, path } = declared
  const issuer = issuerOf(compilation, 'bound-token', declaration.issuer, path)
  checkSubject(compilation, declared)
  const boundTo = certificateOf(compilation, declared)
  const audience = declaration.audience.map((entry, index) => audienceUri(compilation, entry, declared, index))
  if (issuer === undefined) return undefined
  const isAtHome = issuer.domain === own(compilation.topology.nodes, holder)?.domain
  const use = declaration.use ?? (isAtHome ? 'node' : 'peer')
  const lifetimeSeconds = lifetimeOf(declared, issuer.lifetime.maximum) ?? issuer.lifetime[use]
  if (boundTo === undefined || !audience.every((uri) => uri !== undefined)) return undefined
  const { scope, domains, nodes } = declaration
  const subject = issuer.sub?.(declaration.subject) ?? declaration.subject
  const order: TokenOrder = {
    ...{ name, kind: 'bound-token', issuer: declaration.issuer, iss: issuer.url, holders: [holder], subject },
    ...{ handover: 'mint', lifetimeSeconds, boundTo, audience, scope, domains, nodes, resource: audience[0]!, use },
    opaque: issuer.opaque,
    files,
  }
  needAnchor(compilation, holder, issuer.domain)
  return { ...order, mint: mintingOf(compilation, issuer, order) }
}

function lifetimeOf({ declaration: { lifetime }, mistake }: Declaration, maximum: number): number | undefined {
  const declared = lifetime === undefined ? undefined : durationSeconds(lifetime)
  if (declared !== undefined && declared > maximum) {
    mistake(['lifetime'], `the issuer mints for at most ${durationText(maximum)}`, 'stay within that')
  }
  return declared
}

function checkSubject({ names }: Compilation, { declaration: { subject }, holder, mistake }: Declaration): void {
  if (subject === holder || !names.nodes.has(subject) || !names.nodes.has(holder)) return
  const why = 'a token is minted for the holder that proved its own certificate'
  mistake(['subject'], `"${subject}" is not the holder "${holder}": ${why}`, 'name the holder')
}

function certificateOf(
  { topology, names }: Compilation,
  { declaration: { boundTo }, holder, mistake }: Declaration,
): string | undefined {
  const name = boundTo ?? defaultCertificate(holder)
  const at = [boundTo === undefined ? 'holder' : 'boundTo']
  const certificate = own(topology.credentials, name)
  if (certificate === undefined) {
    if (boundTo === undefined && names.nodes.has(holder) && !names.credentials.has(name)) {
      const wayOut = `declare "${name}", or name the certificate in boundTo`
      mistake(at, `"${holder}" holds no certificate "${name}" that the token could be bound to`, wayOut)
    }
  } else if (certificate.kind !== 'certificate') {
    mistake(at, `"${name}" is no certificate`, 'name a certificate of the holder')
  } else if (!holdersOf(certificate).includes(holder)) {
    const holders = holdersOf(certificate).join(', ')
    mistake(at, `"${name}" is held by "${holders}", not by "${holder}"`, 'name one of the holder')
  } else return name
  return undefined
}

/** `node-b` is `https://<host of node-b>`; `peering@org-b` is that domain's peering audience; a URI is itself. */
function audienceUri(
  compilation: Compilation,
  entry: string,
  { path, mistake }: Declaration,
  index: number,
): string | undefined {
  const { nodes, trustDomains } = compilation.topology
  const at = ['audience', index]
  if (/^https:\/\//.test(entry) && URL.canParse(entry)) return entry
  const [, domain] = /^peering@(.*)$/.exec(entry) ?? []
  if (domain === undefined) {
    const host = isDeclared(compilation, 'nodes', entry, [...path, ...at]) && own(nodes, entry)?.host
    return host ? `https://${host}` : undefined
  }
  if (!isDeclared(compilation, 'trustDomains', domain, [...path, ...at])) return undefined
  const trustDomain = own(trustDomains, domain)
  if (trustDomain !== undefined && trustDomain.peeringAudience === undefined) {
    mistake(at, `trust domain "${domain}" has no peering audience`, 'give it one, or name a node')
  }
  return trustDomain?.peeringAudience
}

function mintingOf(
  { topology, credentialKinds }: Compilation,
  issuer: TokenIssuer & NodeOffer,
  order: TokenOrder,
): PlanBoundToken['mint'] {
  const folder = credentialPath(credentialKinds, order.boundTo, own(topology.credentials, order.boundTo))
  const tls: TlsFiles = {
    ca: issuer.ca ?? anchorPath(issuer.domain),
    cert: `${folder}/cert.pem`,
    key: `${folder}/key.pem`,
  }
  const mint = issuer.mint(order)
  const ofHolder = { prove: issuer.prove?.(order), revoke: issuer.revoke?.(order) }
  const made = Object.entries(ofHolder).flatMap(([name, call]) => (call ? [[name, { ...call, tls }]] : []))
  return {
    ...Object.fromEntries(made),
    mint: { ...mint, tls: issuer.by === 'holder' ? tls : (mint.tls ?? tls) },
    member: issuer.member,
  }
}
