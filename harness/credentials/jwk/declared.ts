import type { Compilation } from '../../topology/compilation.ts'
import type { Declared } from '../../topology/credential-kind.ts'
import { handedTo, oneshot } from '../../topology/implicit-units.ts'
import { issuerOf, offerOf } from '../../topology/offers.ts'
import type { PlanUnit } from '../../topology/plan.ts'
import { handoverOf, holdersOf } from '../../topology/schema.ts'
import { keyOf, provisionerOf } from '../certificate/provisioner.ts'
import type { Checked } from '../checks.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { type JwkDeclaration, jwkSchema, type PlanJwk } from './planned.ts'

/** What one can see of it, a CA alone sees: it is told tokens that were signed with it. */
const checks: Checked = {
  spoiledBeside: 'everything',
  states: { fresh: { text: (name) => name } },
  absent: 'no key of a provisioner',
  checks: {},
}

/** Private keys of JWK provisioners. */
export const jwk: CredentialKind<JwkDeclaration, PlanJwk> = {
  name: 'jwk',
  schema: jwkSchema,
  part: 'jwk',
  file: 'provisioner.json',
  issuing: { does: 'believes keys of provisioners' },
  handover: {
    method: 'copy',
    why: 'all who sign one-time tokens for the provisioner have the same one',
    hasSeveralHolders: true,
  },
  servesUnaccepted: true,
  resolve: resolveJwk,
  units: (compilation, node, held) => held.map((one) => jwkUnit(compilation, node, one)),
  ...checks,
  arrow: { style: 'thin', legend: 'key of a provisioner, from CA to holder' },
  places: (path) => ({ jwk: path }),
  findings: async (held, files) => (await import('./findings.ts')).jwkFindings(held, files),
  live: async () => (await import('./live.ts')).liveJwk,
}

function resolveJwk(compilation: Compilation, declared: Declared<JwkDeclaration>): PlanJwk | undefined {
  const { name, declaration, files, path } = declared
  const [issuer = ''] = declaration.issuer.split('/')
  demandPrivate(declared)
  const offer = issuerOf(compilation, 'jwk', issuer, path)
  if (offer === undefined) return undefined
  const none = [`"${issuer}" has no provisioner: it signs nothing`, 'name a node whose CA does'] as const
  const provisioner = provisionerOf(offer.keys, declared, none)
  if (provisioner === undefined) return undefined
  const holders = [...holdersOf(declaration)]
  return { name, kind: 'jwk', issuer, holders, handover: 'copy', provisioner: keyOf(provisioner), files }
}

/** Whoever reads it has certificates signed as any of its holders. */
function demandPrivate({ declaration, mistake }: Declared<JwkDeclaration>): void {
  const { mode } = handoverOf(declaration)
  if ((Number.parseInt(mode, 8) & 0o007) === 0) return
  mistake(['handover', 'mode'], `${mode} lets everybody on its holder read a private key`, 'write "0600"')
}

function jwkUnit(compilation: Compilation, node: string, credential: PlanJwk): PlanUnit {
  const { name, issuer, provisioner } = credential
  const offer = offerOf(compilation, 'jwk', issuer)!
  return oneshot(node, {
    ref: `${node}/${name}`,
    kind: 'copy',
    summary: `receives the key of the provisioner ${provisioner.name} from ${issuer}`,
    after: [offer.after ?? offer.unit],
    steps: [{ receive: { from: issuer, source: { provisioner }, to: handedTo(compilation, credential, node) } }],
  })
}
