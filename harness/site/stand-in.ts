import type { Site } from '../backends/backend.ts'
import { listenAsCa } from '../counterparts/ca/scripted-ca.ts'
import {
  listenAsIssuer,
  type ScriptedIssuer,
  type ScriptedIssuerOptions,
} from '../counterparts/issuer/scripted-issuer.ts'
import { issueLeaf, type SigningAuthority } from '../pki/authority.ts'
import type { Identity } from '../pki/certificate.ts'
import type { Seat } from '../protocols/seat.ts'
import { networkOf } from '../topology/networks.ts'
import { authorityOf, insiderAt } from './insider.ts'
import type { ScenarioSite } from './scenario-site.ts'
import { listenerOf } from './targets.ts'

export interface StandInOptions extends Pick<ScriptedIssuerOptions, 'keys' | 'maxAgeSeconds'> {
  /** Who signs its certificate. Default: the CA that signs that of the auth server. */
  authority?: SigningAuthority
}

/** A scripted issuer where an auth server was. */
export type StandIn = Awaited<ReturnType<typeof standInForIssuer>>

/**
 * Stops the auth server of a node, and listens in its place: same address, ports, name and signing key, and a certificate of the same CA.
 * A node that is started anew knows nothing of the real one.
 */
export async function standInForIssuer(site: ScenarioSite, node: string, options: StandInOptions = {}) {
  const { trustDomains, nodes } = site.plan
  const ca = trustDomains[nodes[node]?.domain ?? '']?.ca ?? ''
  const { maxAgeSeconds, keys = [await site.signingKey(node)], authority = await site.authority(ca) } = options
  const { host } = site.node(node)
  const { unit, said } = insiderAt(site, node, 'standIn')
  const [keysAt, clientsAt] = [said.keys, said.clients].map((name) => listenerOf(site, unit, node, name))
  const [port, mtlsPort] = [keysAt!.port, clientsAt!.port]
  const seat = site.node(node).seatIn(networkOf(nodes[node]!, keysAt!))
  const certificate = await issueLeaf({ authority, subject: host, sans: [host] })
  await site.node(node).stop(unit.name)
  const taken = new AsyncDisposableStack()
  taken.defer(() => site.node(node).start(unit.name))
  const issuer = taken.use(await listenAsIssuer({ seat, host, port, mtlsPort, certificate, keys, maxAgeSeconds }))
  /** Ends it and starts the auth server again. */
  const restore = () => taken.disposeAsync()
  return { issuer, restore, [Symbol.asyncDispose]: restore }
}

/**
 * Stops the CA of a node, and listens in its place: same address, port and name, a certificate that the CA would have, and its key. `restore`
 * ends it and starts the CA again.
 */
export async function standInForCa(site: Site, node: string) {
  const { unit } = insiderAt(site, node, 'signs')
  const authority = await authorityOf(site, node, 'issuing')
  const [listener] = unit.service!.listeners
  const place = { node, unit: unit.name, listener: listener!.name }
  const { server: ca, restore } = await standInForUnit(site, place, (where) => listenAsCa({ ...where, authority }))
  return { ca, restore, [Symbol.asyncDispose]: restore }
}

/** Who a server claims to be: signed by the CA of its domain for its name, unless it is told otherwise. */
export interface ServerClaim {
  readonly authority?: SigningAuthority
  readonly subject?: string
  readonly sans?: readonly string[]
}

/**
 * Stops a unit, and listens at one of its listeners in its place: same address, port and name, and a certificate that its CA would sign.
 * `restore` ends it and starts the unit again; `certified` makes other certificates to present.
 */
export async function standInForUnit<Server extends AsyncDisposable>(
  site: Site,
  place: { node: string; unit: string; listener: string },
  listen: (where: { seat: Seat; host: string; port: number; certificate: Identity }) => Promise<Server>,
) {
  const { node, unit: name } = place
  const planned = site.plan.nodes[node]!
  const unit = planned.units.find((one) => one.name === name)!
  const listener = listenerOf(site, unit, node, place.listener)
  const { host } = site.node(node)
  const certified = async (claim: ServerClaim = {}): Promise<Identity> => {
    const { ca } = site.plan.trustDomains[planned.domain]!
    const { authority = await authorityOf(site, ca, 'issuing'), subject = host, sans = [host] } = claim
    return issueLeaf({ authority, subject, sans })
  }
  const where = { seat: site.node(node).seatIn(networkOf(planned, listener)), host, port: listener.port }
  const certificate = await certified()
  await site.node(node).stop(name)
  const taken = new AsyncDisposableStack()
  taken.defer(() => site.node(node).start(name))
  const server = taken.use(await listen({ ...where, certificate }))
  const restore = () => taken.disposeAsync()
  return { server, certified, restore, [Symbol.asyncDispose]: restore }
}

/**
 * The same for several tests of a file, one after the other: each gets it honest. `isNew` says whether `known` names somebody who
 * has not been told of by any of them, and so may still know the real one.
 */
export async function sharedStandIn(
  site: ScenarioSite,
  node: string,
  known: string,
): Promise<{ issuer: ScriptedIssuer; isNew: boolean }> {
  const { standIns } = site.shared
  const shared = standIns.get(node) ?? {
    standIn: standInForIssuer(site, node, { maxAgeSeconds: 1 }),
    known: new Set(),
  }
  standIns.set(node, shared)
  const { issuer } = await shared.standIn
  await issuer.reset()
  const isNew = !shared.known.has(known)
  shared.known.add(known)
  return { issuer, isNew }
}

/** Gives every auth server back that a shared stand-in took the place of. */
export async function restoreIssuers({ shared: { standIns } }: ScenarioSite): Promise<void> {
  for (const [node, { standIn }] of standIns) {
    await (await standIn).restore()
    standIns.delete(node)
  }
}
