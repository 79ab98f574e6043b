import type { JWK } from 'jose'
import type { Site } from '../backends/backend.ts'
import { certificateNaming } from '../credentials/certificate/checks.ts'
import { identityAt } from '../credentials/certificate/live.ts'
import { NotIssued } from '../credentials/live-kind.ts'
import { HoldfastError } from '../errors.ts'
import { authorityFrom, type SigningAuthority } from '../pki/authority.ts'
import type { Identity } from '../pki/certificate.ts'
import { passwordIn } from '../pki/given.ts'
import { holderOf } from '../topology/holders.ts'
import type { Insider } from '../topology/insider.ts'
import type { PlanUnit } from '../topology/plan.ts'
import { NotInPlan, readRendered } from './site-files.ts'

/** A test needs what somebody else keeps: it cannot be tried. Code `HOLDFAST_NOT_OURS`. */
export class NotOurs extends HoldfastError {
  constructor(thing: string) {
    super('HOLDFAST_NOT_OURS', `${thing} is not ours`)
  }
}

/** What tests need of a unit, for people. */
const things: Readonly<Record<keyof Insider, string>> = {
  signs: 'key',
  mints: 'key',
  ends: 'way to end tokens',
  rolls: 'way to have another secret accepted',
  standIn: 'address',
  operator: 'operator',
  asks: 'inside',
  decides: 'inside',
  judges: 'inside',
  admits: 'inside',
  believes: 'inside',
  foreign: 'inside',
  start: 'start',
  stores: 'database',
  revokes: 'list of revoked certificates',
}

/** The unit of a node, or the one of that name, whose kind says this of an insider, and what it says. @throws NotInPlan where none does */
export function insiderAt<Member extends keyof Insider>(
  site: Pick<Site, 'plan'>,
  node: string,
  member: Member,
  name?: string,
): { unit: PlanUnit; said: NonNullable<Insider[Member]> } {
  const { nodes } = site.plan
  for (const unit of nodes[node]?.units ?? []) {
    const said = unit.insider?.[member]
    if (said !== undefined && unit.name === (name ?? unit.name)) return { unit, said }
  }
  if (nodes[node]?.units.some(({ insider }) => insider?.foreign)) throw new NotOurs(`the ${things[member]} of ${node}`)
  const able = Object.keys(nodes).filter((name) => nodes[name]!.units.some(({ insider }) => insider?.[member]))
  const place = name === undefined ? `node ${node}` : `unit ${node}/${name}`
  const wayOut = `let the plan of its kind return insider.${member} (docs/guides/add-a-service-kind.md), or ask where it is said`
  throw new NotInPlan(site, `${place} says nothing of "${member}" for insiders; ${wayOut}`, able)
}

/** A certificate, with its key, of those that the kind of a unit takes for operators of a node; and the node that it lies on. */
export async function operatorOf(site: Site, node: string): Promise<{ node: string; identity: Identity }> {
  const { sans } = insiderAt(site, node, 'operator').said
  const operator = certificateNaming(site.plan, sans)
  if (operator !== undefined)
    return {
      node: holderOf(operator),
      identity: await identityAt({ read: (...at) => readRendered(site, ...at) }, operator),
    }
  const what = `no certificate is one of the operators of ${node} (${sans.join(', ') || 'it has none'})`
  throw new NotInPlan(site, what, Object.keys(site.plan.credentials))
}

/** The private key that the issuer of a node began to sign with. */
export async function signingKeyOf(site: Site, node: string): Promise<JWK> {
  const { unit, said } = insiderAt(site, node, 'mints')
  return JSON.parse(await readRendered(site, node, said.signingKey, unit.name)) as JWK
}

/** Whether that is one which the issuer itself does not publish. */
export function hasKeyBeside({ plan }: Pick<Site, 'plan'>, node: string): boolean {
  return plan.nodes[node]?.units.some(({ insider }) => insider?.mints?.beside !== undefined) ?? false
}

/** The issuing key of a real CA, or that of its root. */
export async function authorityOf(site: Site, node: string, which: 'issuing' | 'root'): Promise<SigningAuthority> {
  const { unit, said } = insiderAt(site, node, 'signs')
  const { cert, key, password } = said[which]
  if (key === undefined) throw new NotOurs(`the ${which} key of ${node}`)
  const read = (file: string) => readRendered(site, node, file, unit.name)
  const files = [cert, key, said.root.cert, ...(password === undefined ? [] : [password])]
  const [certPem = '', keyPem = '', anchorPem = '', secret] = await Promise.all(files.map(read))
  return authorityFrom({ certPem, keyPem, anchorPem, passphrase: secret && passwordIn(secret) })
}

/** Has an issuer end a token, named by what is added to the call, or all that it signed with its key of now. @throws NotIssued */
export async function endTokens(
  site: Site,
  issuer: string,
  how: 'revoke' | 'rotate',
  added: object = {},
): Promise<void> {
  const call = insiderAt(site, issuer, 'ends').said[how]
  const { status, json } = await site.callFrom(issuer, { ...call, json: { ...(call.json as object), ...added } })
  if (!call.expect.includes(status)) throw new NotIssued(`of ${issuer}`, how, status, JSON.stringify(json))
}
