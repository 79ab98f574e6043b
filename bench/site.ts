import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site } from '../harness/backends/backend.ts'
import { standUp } from '../harness/cli/stand-up.ts'

/** A site for a bench; the caller disposes it. */
export function benchSite(topology: string, set: Record<string, string> = {}): Promise<Site> {
  return standUp(topology, { set, signal: AbortSignal.timeout(120_000) })
}

/** PEM texts of a certificate credential, and the anchors that its holder has. */
export interface NodeIdentity {
  cert: string
  key: string
  ca: string
}

/** What the holder of `credential` presents, and the root of `domain` by which it knows its counterpart. */
export async function identityOf(site: Site, credential: string, domain: string): Promise<NodeIdentity> {
  const { holder, path } = site.plan.credentials[credential]!
  const folder = onNode(site, holder, path)
  const anchor = site.plan.nodes[holder]!.units.find(({ name }) => name === `anchor-${domain}`)!
  const receive = anchor.steps.find((step) => 'receive' in step)!.receive
  const [cert, key, ca] = await Promise.all(
    [join(folder, 'cert.pem'), join(folder, 'key.pem'), onNode(site, holder, receive.to.path)].map((path) =>
      readFile(path, 'utf8'),
    ),
  )
  return { cert: cert!, key: key!, ca: ca! }
}

export async function tokenOf(site: Site, credential: string): Promise<string> {
  const { holder, path } = site.plan.credentials[credential]!
  return (await readFile(onNode(site, holder, path), 'utf8')).trim()
}

export function listenerOf(site: Site, node: string, name: string): { address: string; host: string; port: number } {
  const listeners = site.plan.nodes[node]!.units.flatMap(({ service }) => service?.listeners ?? [])
  const { port } = listeners.find((listener) => listener.name === name)!
  const { address, host } = site.node(node)
  return { address, host, port }
}

function onNode(site: Site, node: string, template: string): string {
  return template.replaceAll('@{dir}', site.node(node).dir)
}
