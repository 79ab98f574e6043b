import { type Compilation, isDeclared, type NodeAuthority, type NodeIssuer, own } from './compilation.ts'
import { durationSeconds, durationText } from './duration.ts'
import { enrolmentOf, mintingOf, type TokenOrder } from './implicit-units.ts'
import { credentialPath } from './paths.ts'
import type { PlanBoundToken, PlanCertificate, PlanCredential } from './plan.ts'
import {
  type BoundTokenDeclaration,
  type CertificateDeclaration,
  type CredentialDeclaration,
  type HandoverMethod,
  handoverOf,
  holdersOf,
} from './schema.ts'

type Resolving<Declaration> = { name: string; declaration: Declaration; holder: string; path: readonly string[] }

/** Every credential with its defaults filled in; those with mistakes are reported and left out. */
export function resolveCredentials(compilation: Compilation): Map<string, PlanCredential> {
  const resolved = new Map<string, PlanCredential>()
  for (const [name, declaration] of Object.entries(compilation.topology.credentials)) {
    const path = ['credentials', name]
    const areKnown = areHoldersKnown(compilation, declaration, path)
    checkHandover(compilation, declaration, path)
    const [holder = ''] = holdersOf(declaration)
    const credential =
      declaration.kind === 'certificate'
        ? resolveCertificate(compilation, { name, declaration, holder, path })
        : resolveToken(compilation, { name, declaration, holder, path })
    if (credential !== undefined && areKnown) resolved.set(name, credential)
  }
  return resolved
}

function areHoldersKnown(
  compilation: Compilation,
  declaration: CredentialDeclaration,
  path: readonly string[],
): boolean {
  const { topology, mistakes } = compilation
  const { holder, kind } = declaration
  const at = holder === undefined ? [...path, 'holders'] : [...path, 'holder']
  const all = holdersOf(declaration)
  if (all.length > 1) mistakes.add(at, `a ${kind} has one holder: ${methods[kind].why}`, 'declare one for each of them')
  const known = all.filter((name, index) => isDeclared(compilation, 'nodes', name, holder ? at : [...at, index]))
  // A node that is malformed is known, and yet nothing can be planned for it.
  return known.every((name) => own(topology.nodes, name) !== undefined) && known.length === all.length
}

const methods: Readonly<Record<CredentialDeclaration['kind'], { method: HandoverMethod; why: string }>> = {
  certificate: { method: 'enrol', why: 'its key is made by its holder and never leaves it' },
  'bound-token': { method: 'mint', why: 'it is minted for a holder that proved its certificate' },
}

function checkHandover({ mistakes }: Compilation, declaration: CredentialDeclaration, path: readonly string[]): void {
  const handover = handoverOf(declaration)
  const { method, why } = methods[declaration.kind]
  const long = typeof declaration.handover === 'object'
  const at = [...path, 'handover']
  if (handover.method !== method) {
    const place = long ? [...at, 'method'] : at
    mistakes.add(place, `"${handover.method}" does not fit a ${declaration.kind}: ${why}`, `write "${method}"`)
  }
  if (handover.path?.split('/').includes('..')) {
    mistakes.add([...at, 'path'], 'leads out of the node’s directory', 'write a path without ".."')
  }
  if (declaration.kind !== 'certificate' || typeof declaration.handover !== 'object') return
  for (const member of ['owner', 'group', 'mode'] as const) {
    if (declaration.handover[member] === undefined) continue
    mistakes.add([...at, member], 'does not fit enrol: the holder makes the key itself, with mode 0600', 'remove it')
  }
}

function resolveCertificate(
  compilation: Compilation,
  { name, declaration, holder, path }: Resolving<CertificateDeclaration>,
): PlanCertificate | undefined {
  const authority = authorityOf(compilation, declaration, path)
  const holderHost = own(compilation.topology.nodes, holder)?.host
  const subject = declaration.subject ?? holderHost
  const lifetimeSeconds = durationSeconds(declaration.lifetime)!
  if (authority !== undefined) checkLifetime(compilation, authority, lifetimeSeconds, path)
  if (subject === undefined) return undefined
  const sans = declaration.sans ?? [subject]
  checkSans(compilation, { name, subject, sans, holder, holderHost, declaration }, path)
  if (authority === undefined) return undefined
  const [issuer = ''] = declaration.issuer.split('/')
  const certificate: Omit<PlanCertificate, 'enrol'> = {
    name,
    kind: 'certificate',
    issuer,
    holders: [holder],
    subject,
    handover: 'enrol',
    lifetimeSeconds,
    sans,
    files: { [holder]: credentialPath(name, declaration) },
  }
  return { ...certificate, enrol: enrolmentOf(compilation, certificate) }
}

function authorityOf(
  compilation: Compilation,
  { issuer }: CertificateDeclaration,
  path: readonly string[],
): NodeAuthority | undefined {
  const [node = '', provisioner] = issuer.split('/')
  const at = [...path, 'issuer']
  if (!isDeclared(compilation, 'nodes', node, at)) return undefined
  const authority = compilation.authorities.get(node)
  if (authority === undefined) {
    if (!isMistakenNode(compilation, node, 'ca')) {
      compilation.mistakes.add(
        at,
        `"${node}" is the CA of no trust domain`,
        `name one of ${listed(compilation.authorities)}`,
      )
    }
    return undefined
  }
  if (provisioner !== undefined && provisioner !== authority.provisioner.name) {
    const wayOut = `it has ${authority.provisioner.name}`
    compilation.mistakes.add(at, `"${node}" has no provisioner "${provisioner}"`, wayOut)
  }
  return authority
}

/** Whether some other mistake is the reason that a node's role is not known. */
function isMistakenNode({ topology, unknownNodes }: Compilation, node: string, role: 'ca' | 'issuer'): boolean {
  return unknownNodes.has(node) || Object.values(topology.trustDomains).some((domain) => domain[role] === node)
}

function listed(nodes: ReadonlyMap<string, unknown>): string {
  return nodes.size === 0 ? 'the nodes that a trust domain names' : [...nodes.keys()].join(', ')
}

function checkLifetime(
  { mistakes }: Compilation,
  { minimumLifetime, maximumLifetime }: NodeAuthority,
  seconds: number,
  path: readonly string[],
): void {
  if (seconds >= minimumLifetime && seconds <= maximumLifetime) return
  const limits = `${durationText(minimumLifetime)} to ${durationText(maximumLifetime)}`
  mistakes.add(
    [...path, 'lifetime'],
    `the CA signs for ${limits}, not for ${durationText(seconds)}`,
    'stay within that',
  )
}

interface Named {
  name: string
  subject: string
  sans: readonly string[]
  holder: string
  holderHost: string | undefined
  declaration: CertificateDeclaration
}

function checkSans({ mistakes }: Compilation, named: Named, path: readonly string[]): void {
  const { name, subject, sans, holder, holderHost, declaration } = named
  const at = [...path, declaration.sans === undefined ? 'subject' : 'sans']
  const [first = ''] = sans
  if (!sans.some((san) => covers(san, subject))) {
    mistakes.add(at, `no SAN covers the subject "${subject}" (there is ${first})`, `add "${subject}"`)
  }
  const identity = name === defaultCertificate(holder)
  if (identity && holderHost !== undefined && !sans.some((san) => covers(san, holderHost))) {
    const wayOut = `add "${holderHost}", or give a certificate for something else another name`
    mistakes.add(at, `no SAN covers the host "${holderHost}" of its holder`, wayOut)
  }
}

/** RFC 9525 6.3: a wildcard stands for exactly one label, the leftmost. */
function covers(san: string, host: string): boolean {
  return san === host || (san.startsWith('*.') && san.slice(1) === host.slice(host.indexOf('.')))
}

function defaultCertificate(holder: string): string {
  return `cert-${holder}`
}

function resolveToken(
  compilation: Compilation,
  { name, declaration, holder, path }: Resolving<BoundTokenDeclaration>,
): PlanBoundToken | undefined {
  const { topology, mistakes } = compilation
  const issuer = issuerOf(compilation, declaration, path)
  checkSubject(compilation, declaration, holder, path)
  for (const [index, node] of (declaration.nodes ?? []).entries()) {
    isDeclared(compilation, 'nodes', node, [...path, 'nodes', index])
  }
  const boundTo = certificateOf(compilation, declaration, holder, path)
  const audience = declaration.audience.map((entry, index) =>
    audienceUri(compilation, entry, [...path, 'audience', index]),
  )
  if (issuer === undefined) return undefined
  const holderDomain = own(topology.nodes, holder)?.domain
  const use = declaration.use ?? (issuer.domain === holderDomain ? 'node' : 'peer')
  const declared = declaration.lifetime === undefined ? undefined : durationSeconds(declaration.lifetime)
  if (declared !== undefined && declared > issuer.lifetime.maximum) {
    const limit = durationText(issuer.lifetime.maximum)
    mistakes.add([...path, 'lifetime'], `the issuer mints for at most ${limit}`, 'stay within that')
  }
  if (boundTo === undefined || audience.includes(undefined)) return undefined
  const token: TokenOrder = {
    name,
    kind: 'bound-token',
    issuer: declaration.issuer,
    holders: [holder],
    subject: declaration.subject,
    handover: 'mint',
    lifetimeSeconds: declared ?? issuer.lifetime[use],
    boundTo,
    audience: audience as string[],
    scope: declaration.scope,
    domains: declaration.domains,
    nodes: declaration.nodes,
    resource: audience[0]!,
    use,
    files: { [holder]: credentialPath(name, declaration) },
  }
  return { ...token, mint: mintingOf(compilation, token) }
}

function issuerOf(
  compilation: Compilation,
  { issuer }: BoundTokenDeclaration,
  path: readonly string[],
): NodeIssuer | undefined {
  const at = [...path, 'issuer']
  if (!isDeclared(compilation, 'nodes', issuer, at)) return undefined
  const known = compilation.issuers.get(issuer)
  if (known === undefined && !isMistakenNode(compilation, issuer, 'issuer')) {
    const wayOut = `name one of ${listed(compilation.issuers)}`
    compilation.mistakes.add(at, `"${issuer}" is the token issuer of no trust domain`, wayOut)
  }
  return known
}

function checkSubject(
  compilation: Compilation,
  token: BoundTokenDeclaration,
  holder: string,
  path: readonly string[],
): void {
  const at = [...path, 'subject']
  if (!isDeclared(compilation, 'nodes', token.subject, at) || token.subject === holder) return
  if (!compilation.names.nodes.has(holder)) return
  const why = 'a token is minted for the holder that proved its own certificate'
  compilation.mistakes.add(at, `"${token.subject}" is not the holder "${holder}": ${why}`, 'name the holder')
}

function certificateOf(
  compilation: Compilation,
  { boundTo }: BoundTokenDeclaration,
  holder: string,
  path: readonly string[],
): string | undefined {
  const { topology, names, mistakes } = compilation
  const name = boundTo ?? defaultCertificate(holder)
  const at = [...path, boundTo === undefined ? 'holder' : 'boundTo']
  const certificate = own(topology.credentials, name)
  if (certificate === undefined && boundTo === undefined && names.nodes.has(holder) && !names.credentials.has(name)) {
    const wayOut = `declare "${name}", or name the certificate in boundTo`
    mistakes.add(at, `"${holder}" holds no certificate "${name}" that the token could be bound to`, wayOut)
  } else if (certificate === undefined) {
    if (boundTo !== undefined) isDeclared(compilation, 'credentials', name, at)
  } else if (certificate.kind !== 'certificate') {
    mistakes.add(at, `"${name}" is no certificate`, 'name a certificate of the holder')
  } else if (!holdersOf(certificate).includes(holder)) {
    mistakes.add(
      at,
      `"${name}" is held by "${holdersOf(certificate).join(', ')}", not by "${holder}"`,
      'name one of the holder',
    )
  } else return name
  return undefined
}

/** `node-b` is `https://<host of node-b>`; `peering@org-b` is that domain's peering audience; a URI is itself. */
function audienceUri(compilation: Compilation, entry: string, path: readonly PropertyKey[]): string | undefined {
  const { topology, mistakes } = compilation
  if (/^https:\/\//.test(entry) && URL.canParse(entry)) return entry
  const [, domain] = /^peering@(.*)$/.exec(entry) ?? []
  if (domain === undefined) {
    if (!isDeclared(compilation, 'nodes', entry, path)) return undefined
    const host = own(topology.nodes, entry)?.host
    return host === undefined ? undefined : `https://${host}`
  }
  if (!isDeclared(compilation, 'trustDomains', domain, path)) return undefined
  const trustDomain = own(topology.trustDomains, domain)
  if (trustDomain !== undefined && trustDomain.peeringAudience === undefined) {
    mistakes.add(path, `trust domain "${domain}" has no peering audience`, `give it one, or name a node`)
  }
  return trustDomain?.peeringAudience
}
