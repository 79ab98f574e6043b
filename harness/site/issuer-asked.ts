import type { Site } from '../backends/backend.ts'

/** What an auth server calls it in its records when it is asked about a token. */
const asking = 'token:introspect'

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
  const isThere = nodes[issuer ?? '']?.units.some(
    ({ actions, service }) => actions?.[asking] !== undefined && service?.decisionLog !== undefined,
  )
  if (issuer === undefined || issuer === node || !isThere) return undefined
  const records = () => site.node(issuer).decisions()
  const before = (await records()).length
  const { address, host } = site.node(node)
  return {
    issuer,
    times: async (jti) => {
      const since = (await records()).slice(before).filter(({ action }) => action === asking)
      const own = since.filter(({ conn, principal }) => conn.startsWith(`${address}:`) || principal.san === host)
      // Sessions that live on are asked about meanwhile, under the ids of their own tokens.
      return own.filter(({ principal }) => principal.jti === undefined || principal.jti === jti).length
    },
  }
}
