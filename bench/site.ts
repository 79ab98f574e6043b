import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hostsText } from '../harness/agent/hosts-file.ts'
import type { Site } from '../harness/backends/backend.ts'
import { standUp } from '../harness/cli/stand-up.ts'
import { identityAt } from '../harness/credentials/certificate/live.ts'
import { credentialOf } from '../harness/credentials/of-kind.ts'
import { anchorOf, readRendered } from '../harness/site/site-files.ts'
import { holderOf, placeOf } from '../harness/topology/holders.ts'

/** A site for a bench; the caller disposes it. */
export function benchSite(topology: string, set: Record<string, string> = {}, withinMs = 120_000): Promise<Site> {
  return standUp(topology, { set, signal: AbortSignal.timeout(withinMs) })
}

/** PEM texts of a certificate credential, and the anchors that its holder has. */
export interface NodeIdentity {
  cert: string
  key: string
  ca: string
}

/** What the holder of `credential` presents, and the root of `domain` by which it knows its counterpart. */
export async function identityOf(site: Site, credential: string, domain: string): Promise<NodeIdentity> {
  const [identity, ca] = await Promise.all([
    identityAt({ read: (...at) => readRendered(site, ...at) }, credentialOf(site.plan, 'certificate', credential)),
    anchorOf(site, domain),
  ])
  return { cert: identity.certPem, key: identity.keyPem, ca }
}

export async function tokenOf(site: Site, credential: string): Promise<string> {
  const held = site.plan.credentials[credential]!
  return (await readRendered(site, holderOf(held), placeOf(held))).trim()
}

export function listenerOf(site: Site, node: string, name: string): { address: string; host: string; port: number } {
  const listeners = site.plan.nodes[node]!.units.flatMap(({ service }) => service?.listeners ?? [])
  const { port } = listeners.find((listener) => listener.name === name)!
  const { address, host } = site.node(node)
  return { address, host, port }
}

/** A folder of a bench, with the file by which its processes find the hosts of a site. */
export interface BenchFolder extends AsyncDisposable {
  readonly path: string
  readonly hosts: string
}

export async function benchFolder(site: Site): Promise<BenchFolder> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const hosts = join(path, 'hosts')
  const addresses = [...site.nodes.values()].map(({ host, address }) => [host, address])
  await writeFile(hosts, hostsText(Object.fromEntries(addresses)))
  return { path, hosts, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
