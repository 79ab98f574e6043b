import type { Site } from '../backends/backend.ts'
import {
  listenAsIssuer,
  type ScriptedIssuer,
  type ScriptedIssuerOptions,
} from '../counterparts/issuer/scripted-issuer.ts'
import { issueLeaf, type SigningAuthority } from '../pki/authority.ts'
import { NotInPlan } from './site-files.ts'

export interface StandInOptions extends Pick<ScriptedIssuerOptions, 'keys' | 'maxAgeSeconds'> {
  /** Who signs its certificate. Default: the CA that signs that of the auth server. */
  authority?: SigningAuthority
}

/** A scripted issuer where an auth server was. */
export interface StandIn extends AsyncDisposable {
  readonly issuer: ScriptedIssuer
  /** Ends it and starts the auth server again. */
  restore(): Promise<void>
}

/** Stops the auth server of a node, and listens in its place. */
export async function standInForIssuer(
  site: Site,
  node: string,
  { keys, maxAgeSeconds, authority }: StandInOptions & { authority: SigningAuthority },
): Promise<StandIn> {
  const { host, address } = site.node(node)
  const { unit, port, mtlsPort } = issuerAt(site, node)
  const certificate = await issueLeaf({ authority, subject: host, sans: [host] })
  await site.node(node).stop(unit)
  const issuer = await listenAsIssuer({ address, host, port, mtlsPort, certificate, keys, maxAgeSeconds })
  let restored: Promise<void> | undefined
  const giveBack = async () => {
    await issuer[Symbol.asyncDispose]()
    await site.node(node).start(unit)
  }
  const restore = () => {
    restored ??= giveBack()
    return restored
  }
  return { issuer, restore, [Symbol.asyncDispose]: restore }
}

/** The unit with a public and an mtls listener. */
function issuerAt(site: Site, node: string): { unit: string; port: number; mtlsPort: number } {
  for (const { name, service } of site.plan.nodes[node]?.units ?? []) {
    const portOf = (listener: string) => service?.listeners.find((one) => one.name === listener)?.port
    const [port, mtlsPort] = [portOf('public'), portOf('mtls')]
    if (port !== undefined && mtlsPort !== undefined) return { unit: name, port, mtlsPort }
  }
  throw new NotInPlan(site, `node ${node} runs no auth server`, Object.keys(site.plan.nodes))
}
