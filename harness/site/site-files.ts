import { join } from 'node:path'
import { addressesFor } from '../agent/node-context.ts'
import { fill } from '../agent/template.ts'
import type { Site, SiteNode } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { rootsAt } from '../pki/given.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import { addressOf, localSeat, type Seat } from '../protocols/seat.ts'
import { callNetwork, listenerAt, sharedNetwork } from '../topology/networks.ts'
import { anchorPath, receivesRoot } from '../topology/paths.ts'
import { hearsPlainly, type Listener, type PlanCredential, type Template } from '../topology/plan.ts'

/** The plan of this site does not hold what a test asks for. Code `HOLDFAST_NOT_IN_PLAN`. */
export class NotInPlan extends HoldfastError {
  constructor(site: Pick<Site, 'plan'>, what: string, known: readonly string[]) {
    const there = known.length > 0 ? `there is ${known.join(', ')}` : 'there is none'
    super('HOLDFAST_NOT_IN_PLAN', `topology ${site.plan.topology}: ${what}; ${there}`)
  }
}

type Addressed = Pick<Site, 'plan'> & { readonly nodes: ReadonlyMap<string, Pick<SiteNode, 'name' | 'addresses'>> }

export function rendered(site: Addressed, node: Pick<SiteNode, 'name' | 'dir'>, template: Template, unit = ''): string {
  const addresses = Object.fromEntries([...site.nodes.values()].map(({ name, addresses }) => [name, addresses]))
  const planned = site.plan.nodes[node.name]?.units.find(({ name }) => name === unit)
  const seen = addressesFor(node.name, site.plan, { addresses }, planned)
  const context = { dir: node.dir, unitDir: join(node.dir, 'units', unit), ...seen }
  return fill(template, context, `node ${node.name}`)
}

/** Reads what lies at a template's path on a node. */
export async function readRendered(site: Site, node: string, template: Template, unit = ''): Promise<string> {
  const at = site.node(node)
  return at.readFile(rendered(site, at, template, unit))
}

/** Permissions of what lies there. */
export async function modeOf(site: Site, node: string, template: Template): Promise<number> {
  const at = site.node(node)
  const path = rendered(site, at, template)
  const { code, stdout, stderr } = await at.exec(['stat', '-L', '-c', '%a', '--', path])
  if (code === 0) return Number.parseInt(stdout, 8)
  throw new HoldfastError('HOLDFAST_FILE_UNSEEN', `${node}: ${path} cannot be looked at: ${stderr.trim()}`)
}

const anchors = new WeakMap<Site, Map<string, Promise<string>>>()

/** The root certificate of a trust domain, PEM, as it was handed over to some node; read once. */
export function anchorOf(site: Site, domain: string): Promise<string> {
  const known = anchors.get(site) ?? new Map<string, Promise<string>>()
  anchors.set(site, known)
  const anchor = known.get(domain) ?? readAnchor(site, domain)
  known.set(domain, anchor)
  return anchor
}

async function readAnchor(site: Site, domain: string): Promise<string> {
  const holder = Object.values(site.plan.nodes).find((node) => receivesRoot(node, domain))
  if (holder !== undefined) return readRendered(site, holder.name, anchorPath(domain))
  throw new NotInPlan(site, `no node holds the root of trust domain ${domain}`, Object.keys(site.plan.trustDomains))
}

/** Where `url` leads in this site, for a caller at `from`: in the network of `listener`, which is by default that with the port. */
export function endpointOf(
  site: Site,
  url: string,
  { from, anchorPem, listener }: { from: string; anchorPem: string; listener?: Pick<Listener, 'network'> },
): Endpoint {
  const { hostname: host, port } = new URL(url)
  const nodes = Object.values(site.plan.nodes)
  const to = nodes.find((node) => node.host === host)
  if (to === undefined) {
    throw new NotInPlan(
      site,
      `no node is called ${host}`,
      nodes.map((node) => node.host),
    )
  }
  const caller = site.node(from)
  const where = callNetwork(site.plan.nodes[from] ?? {}, to, listener ?? listenerAt(to.units, url))
  if (where === undefined) {
    throw new NotInPlan(site, `${from} is not in the network in which ${host} listens`, Object.keys(caller.addresses))
  }
  const address = site.node(to.name).addresses[where]!
  const { slowness } = site
  return { seat: caller.seatIn(where), address, host, port: Number(port || 443), anchorPem, slowness }
}

/** The seat of a node at which another one finds it by its name. */
export function seatFoundBy(
  site: Pick<Site, 'plan'>,
  node: Pick<SiteNode, 'name' | 'addresses' | 'seatIn'>,
  by: string,
): Seat {
  const network = sharedNetwork(site.plan.nodes[by] ?? {}, site.plan.nodes[node.name] ?? {})
  if (network !== undefined) return node.seatIn(network)
  throw new NotInPlan(site, `${by} shares no network with ${node.name}`, Object.keys(node.addresses))
}

export async function endpointAt(
  site: Site,
  from: string,
  {
    host,
    domain,
    listener,
    tls = true,
  }: {
    host: string
    domain: string
    listener: Pick<Listener, 'port' | 'network' | 'address' | 'ca'> & Partial<Pick<Listener, 'protocol' | 'behind'>>
    /** Without it, no root is looked for. */
    tls?: boolean
  },
): Promise<Endpoint> {
  const { port } = listener
  const isPlain = hearsPlainly(listener)
  const address = listener.address && (await addressOf({ address: listener.address, port }))
  const root = () => (listener.ca === undefined ? anchorOf(site, domain) : rootsAt(listener.ca))
  const anchorPem = tls && !isPlain ? await root() : ''
  const found = endpointOf(site, `https://${host}:${port}`, { from, anchorPem, listener })
  const endpoint = isPlain ? { ...found, isPlain } : found
  if (address === undefined) return endpoint
  // A service that was there before the run has no address of the run, and may be out of reach from those.
  return { ...endpoint, address, seat: address.startsWith('127.') ? endpoint.seat : localSeat() }
}

export function plannedCredential(site: Pick<Site, 'plan'>, name: string): PlanCredential {
  const { credentials } = site.plan
  const planned = credentials[name]
  if (planned === undefined) throw new NotInPlan(site, `there is no credential ${name}`, Object.keys(credentials))
  return planned
}
