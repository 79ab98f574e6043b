import { type Compilation, own } from '../../topology/compilation.ts'
import type { Declared, WhyNot } from '../../topology/credential-kind.ts'
import { handedTo, oneshot } from '../../topology/implicit-units.ts'
import { issuerOf, offerOf } from '../../topology/offers.ts'
import { credentialPath } from '../../topology/paths.ts'
import type { PlanUnit } from '../../topology/plan.ts'
import { holdersOf } from '../../topology/schema.ts'
import { defaultCertificate } from '../certificate/planned.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { credsChecks } from './checks.ts'
import { type NatsCredsDeclaration, type NatsOperator, natsCredsSchema, type PlanNatsCreds } from './planned.ts'

/** Credentials files of NATS users, made on one host and used on others. */
export const natsCreds: CredentialKind<NatsCredsDeclaration, PlanNatsCreds> = {
  name: 'nats-creds',
  schema: natsCredsSchema,
  references: { certificate: 'credentials', token: 'credentials', of: 'credentials' },
  part: 'creds',
  beside: ({ certificate, token }) => [certificate, ...(token === undefined ? [] : [token])],
  issuing: { does: 'makes credentials of NATS users' },
  handover: { method: 'copy', why: 'its keys are made where the accounts are, for the one node that gets them' },
  servesUnaccepted: true,
  resolve: resolveCreds,
  units: (compilation, node, held) => held.map((creds) => credsUnit(compilation, node, creds)),
  unacceptable,
  ...credsChecks,
  arrow: { style: 'thin', legend: 'credentials file, from its maker to holder' },
  places: (creds) => ({ creds }),
  isGoodOverAny: true,
  findings: async (held, files) => (await import('./findings.ts')).credsFindings(held, files),
  live: async () => (await import('./live.ts')).liveNatsCreds,
}

type Declaration = Declared<NatsCredsDeclaration>

function resolveCreds(compilation: Compilation, declared: Declaration): PlanNatsCreds | undefined {
  const { name, declaration, holder, files, path, mistake } = declared
  const { issuer, operator, users } = declaration
  const offer = issuerOf(compilation, 'nats-creds', issuer, path)
  const certificate = certificateOf(compilation, declared)
  const folder = declaration.of === undefined ? files[holder]! : folderOf(compilation, declared, declaration.of)
  if (offer === undefined || certificate === undefined || folder === undefined) return undefined
  if (offer.operator !== operator) {
    mistake(['operator'], `"${issuer}" makes users of "${offer.operator}"`, `name that`)
  }
  if (declaration.token !== undefined) demandToken(compilation, declared, declaration.token)
  const unknown = unknownUsers(offer, declared)
  const [first = ''] = users
  const presented = own(offer.users, first)
  if (unknown > 0 || presented === undefined || offer.operator !== operator) return undefined
  const [account = '', user = ''] = first.split('/')
  const { file, permissions, inbox, hasNoRole } = presented
  return {
    ...{ name, kind: 'nats-creds', issuer, holders: [holder], handover: 'copy', operator, account, user },
    ...{ permissions, inbox, hasNoRole, users, folder, source: offer.folder(declaration.of ?? name), certificate },
    ...(declaration.token !== undefined && { token: declaration.token }),
    ...{ of: declaration.of, insider: offer.insider, files: { [holder]: `${folder}/${file}` } },
  }
}

function demandToken({ topology }: Compilation, { holder, mistake }: Declaration, token: string): void {
  const found = own(topology.credentials, token)
  if (found === undefined || (found.kind === 'bound-token' && holdersOf(found).includes(holder))) return
  mistake(['token'], `"${token}" is no bound token of "${holder}"`, 'name one')
}

/** How many are named that are not handed over there. */
function unknownUsers({ users, operator }: NatsOperator, { declaration, mistake }: Declaration): number {
  const wrong = [...declaration.users.entries()].filter(([, user]) => own(users, user) === undefined)
  for (const [index, user] of wrong) {
    const known = Object.keys(users).join(', ')
    mistake(['users', index], `"${operator}" hands no "${user}" over`, `name one of ${known}`)
  }
  return wrong.length
}

/** The folder of another credential, of whose set these users are. */
function folderOf(
  { topology, credentialKinds }: Compilation,
  { declaration, holder, mistake }: Declaration,
  of: string,
) {
  const set = own(topology.credentials, of)
  if (set === undefined) return undefined
  const isSet = set.kind === 'nats-creds' && set.of === undefined
  if (!isSet || !holdersOf(set).includes(holder) || set.issuer !== declaration.issuer) {
    mistake(['of'], `"${of}" is no set of nats-creds from "${declaration.issuer}" to "${holder}"`, 'name one that is')
    return undefined
  }
  const missing = declaration.users.find((user) => !set.users.includes(user))
  if (missing === undefined) return credentialPath(credentialKinds, of, set)
  mistake(['users'], `"${of}" has no "${missing}" in its set`, `add it there`)
  return undefined
}

function certificateOf({ topology, names }: Compilation, { declaration, holder, mistake }: Declaration) {
  const name = declaration.certificate ?? defaultCertificate(holder)
  const certificate = own(topology.credentials, name)
  if (certificate?.kind === 'certificate') return name
  if (certificate !== undefined) mistake(['certificate'], `"${name}" is no certificate`, 'name one')
  else if (declaration.certificate === undefined && names.nodes.has(holder) && !names.credentials.has(name)) {
    const wayOut = `declare "${name}", or name the certificate`
    mistake(['holder'], `"${holder}" holds no certificate "${name}" over which it could log in`, wayOut)
  }
  return undefined
}

/** The oneshot in which a holder gets its set, again whenever that is another one; or in which it waits for the set of another credential. */
function credsUnit(compilation: Compilation, node: string, creds: PlanNatsCreds): PlanUnit {
  const { name, issuer, of, folder, source } = creds
  const ref = `${node}/${name}`
  if (of !== undefined) {
    const summary = `has the credentials ${name} with ${of}`
    return oneshot(node, { ref, kind: 'copy', summary, after: [`${node}/${of}`], steps: [] })
  }
  const offer = offerOf(compilation, 'nats-creds', issuer)!
  const { group, ...handed } = handedTo(compilation, creds, node)
  // Whoever reads by group must pass the folder, and what is put into it must stay readable.
  const to = { ...handed, path: folder, group, ...(group !== undefined && { folderMode: '2750' }) }
  return oneshot(node, {
    ...{ ref, kind: 'copy', summary: `receives the credentials ${name} from ${issuer}` },
    after: [offer.after ?? offer.unit],
    steps: [{ receive: { from: issuer, source: { folder: source }, again: 'changed', to } }],
  })
}

/** A broker believes one operator, and that of its own node. */
function unacceptable(
  _: Compilation,
  { target }: { target: string },
  __: unknown,
  { issuer }: PlanNatsCreds,
): WhyNot[] {
  if (issuer === target) return []
  return [[`its operator is that of "${issuer}", and "${target}" believes its own`, 'name credentials from there']]
}
