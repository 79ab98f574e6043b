import { signAtCa } from '../agent/enrol.ts'
import { bodyOf } from '../agent/https-request.ts'
import type { Site } from '../backends/backend.ts'
import type { CredentialKind, HeldFiles } from '../credentials/credential-kind.ts'
import type { Finding } from '../credentials/finding.ts'
import type { LiveSite } from '../credentials/live-site.ts'
import { secretsOf } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { Identity } from '../pki/certificate.ts'
import { rootsAt, systemRoots } from '../pki/given.ts'
import { newRequest } from '../pki/request.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import { exchange, type HeaderLines, type Request } from '../protocols/http/exchange.ts'
import { localSeat } from '../protocols/seat.ts'
import { discovered } from '../tokens/metadata.ts'
import type { Enrol, HttpCall } from '../topology/plan.ts'
import { declaredFindings, fileFindings } from '../trust/preflight/preflight.ts'
import { boundOn } from './bound.ts'
import { authorityOf, endTokens, signingKeyOf } from './insider.ts'
import { anchorOf, endpointOf, modeOf, readRendered } from './site-files.ts'

/** A node did not show what it should publish. Code `HOLDFAST_NOT_PUBLISHED`. */
class NotPublished extends HoldfastError {
  constructor(url: string, status: number | null) {
    super('HOLDFAST_NOT_PUBLISHED', `${url} answered ${status ?? 'nothing'} instead of 200; is it the right URL?`)
  }
}

export function siteFiles(site: Site): HeldFiles {
  return {
    plan: site.plan,
    now: Date.now(),
    read: (node, path) => readRendered(site, node, path),
    modeOf: (node, path) => modeOf(site, node, path),
    anchor: (domain) => anchorOf(site, domain),
    async published(node, call) {
      const { status, text } = await called(site, { from: node }, call)
      if (status === null || !call.expect.includes(status)) throw new NotPublished(call.url, status)
      return JSON.parse(text)
    },
  }
}

/** What is wrong with the data of a launched site: as its topology declares it, and as it lies on its nodes. */
export async function sitePreflight(site: Site, kinds: readonly CredentialKind[]): Promise<readonly Finding[]> {
  return [...declaredFindings(site.plan, kinds), ...(await fileFindings(siteFiles(site), kinds))]
}

/** A launched site as live credential kinds need it, for a test that has credentials of its own. */
export function liveSite(site: Site, own: Pick<LiveSite, 'fresh' | 'held'>): LiveSite {
  return {
    ...siteFiles(site),
    ...own,
    node: (name) => site.node(name),
    bound: (ms) => boundOn(site, ms),
    learn: (secret) => site.secrets.add(secretsOf(secret)),
    async enrol(enrol, holder) {
      const { ca, url, provisioner, subject, sans, lifetimeSeconds } = enrol
      const { keyPem, csrPem, x5rt } = await newRequest(enrol)
      const ott = await site.oneTimeToken(ca, { url, provisioner, subject, sans, x5rt })
      const { certPem } = await signAtCa({ ...(await caOf(site, enrol, holder)), csrPem, ott, lifetimeSeconds })
      return { certPem, keyPem }
    },
    run: (node, unit, input) => site.node(node).run(unit, { input }),
    callFrom: (node, call) => site.callFrom(node, call),
    callWith: (identity, from, call) => called(site, { from, identity }, call),
    authority: (node) => authorityOf(site, node, 'issuing'),
    signingKey: (node) => signingKeyOf(site, node),
    endTokens: (issuer, how, added) => endTokens(site, issuer, how, added),
  }
}

/** A CA as a holder of one of its certificates reaches it. */
export async function caOf(site: Site, { url, anchor }: Enrol, holder: string) {
  const anchorPem = await readRendered(site, holder, anchor)
  const { seat, address, port } = reachedFrom(site, url, { from: holder, anchorPem })
  const connect = async (signal: AbortSignal) => (await seat.connect({ address, port }, signal)).stream
  return { url, connect, anchorPem }
}

/** Where `url` leads for a caller at `from`: to what is no node, from where this machine reaches it. */
function reachedFrom(site: Site, url: string, caller: { from: string; anchorPem: string }): Endpoint {
  const { hostname, port } = new URL(url)
  if (site.resolve(hostname) !== undefined) return endpointOf(site, url, caller)
  const { anchorPem } = caller
  return { seat: localSeat(), address: hostname, host: hostname, port: Number(port || 443), anchorPem }
}

/** A call over a connection of its own, from the address of a node. */
async function called(
  site: Site,
  { from, identity }: { from: string; identity?: Identity },
  { method, url: asked, discover, tls, bearer: file, json, form }: HttpCall,
) {
  const bearer = file && (await readRendered(site, from, file)).trim()
  const anchorPem = await (tls.ca === systemRoots ? rootsAt(tls.ca) : readRendered(site, from, tls.ca))
  const one = async (url: string, request: Omit<Request, 'path'>) => {
    const { pathname, search } = new URL(url)
    const { status, failure, body } = await exchange(
      { ...reachedFrom(site, url, { from, anchorPem }), identity },
      { ...request, path: pathname + search },
    )
    return { status, text: failure ? `${failure.code} ${failure.message}` : body }
  }
  const metadata = async (url: string) => {
    const { status, text } = await one(url, { method: 'GET', headers: [] })
    if (status !== 200) throw new NotPublished(url, status)
    return JSON.parse(text)
  }
  const { type, body } = bodyOf({ json, form })
  const headers: HeaderLines = [
    ...(bearer === undefined ? [] : [['Authorization', `Bearer ${bearer}`] as const]),
    ...(body === undefined ? [] : [['Content-Type', type] as const]),
  ]
  const url = discover === undefined ? asked : await discovered(asked, discover, metadata)
  return one(url, { method, headers, body })
}
