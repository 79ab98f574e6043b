import type { Site } from '../backends/backend.ts'

/** Counts the questions of one target about a token since it was made. */
export interface IssuerWatch {
  readonly issuer: string
  /** `jti`: of the token. A question about a token that the issuer does not know names none, and is counted, too. */
  times(jti: string | undefined): Promise<number>
}

/** Where it is written down who asks about tokens: at an issuer of the plan that keeps decision records. */
export async function watchIssuer(site: Site, node: string, url: string | undefined): Promise<IssuerWatch | undefined> {
  const { trustDomains, nodes } = site.plan
  const issuer = Object.values(trustDomains).find(({ issuerUrl }) => issuerUrl === url)?.issuer
  const recording = nodes[issuer ?? '']?.units.filter(({ service }) => service?.decisionLog !== undefined)
  const asked = recording?.flatMap(({ insider }) => insider?.mints?.asked ?? [])[0]
  if (issuer === undefined || issuer === node || asked === undefined) return undefined
  const records = () => site.node(issuer).decisions()
  const before = (await records()).length
  const { address, host } = site.node(node)
  return {
    issuer,
    times: async (jti) => {
      const since = (await records()).slice(before).filter(({ action }) => action === asked)
      const own = since.filter(({ conn, principal }) => conn.startsWith(`${address}:`) || principal.san === host)
      // Sessions that live on are asked about meanwhile, under the ids of their own tokens.
      return own.filter(({ principal }) => principal.jti === undefined || principal.jti === jti).length
    },
  }
}
