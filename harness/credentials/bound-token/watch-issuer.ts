import type { IssuerWatch } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'

/**
 * Counts the questions of a node about a token since it was made, where they are written down: at an issuer of the plan that keeps
 * decision records. A question about a token that the issuer does not know names none, and is counted, too.
 */
export async function watchIssuer(
  site: Pick<LiveSite, 'plan' | 'node'>,
  node: string,
  url: string | undefined,
): Promise<IssuerWatch | undefined> {
  const { trustDomains, nodes } = site.plan
  const issuer = Object.values(trustDomains).find(({ issuerUrl }) => issuerUrl === url)?.issuer
  const recording = nodes[issuer ?? '']?.units.filter(({ service }) => service?.decisionLog !== undefined)
  const asked = recording?.flatMap(({ insider }) => insider?.mints?.asked ?? [])[0]
  if (issuer === undefined || issuer === node || asked === undefined) return undefined
  const records = () => site.node(issuer).decisions()
  const before = (await records()).length
  const { address, host } = site.node(node)
  return async ({ token }) => {
    const since = (await records()).slice(before).filter(({ action }) => action === asked)
    const own = since.filter(({ conn, principal }) => conn.startsWith(`${address}:`) || principal.san === host)
    // Sessions that live on are asked about meanwhile, under the ids of their own tokens.
    const about = own.filter(({ principal }) => principal.jti === undefined || principal.jti === token?.jti)
    return { issuer, times: about.length }
  }
}
