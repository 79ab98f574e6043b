import type { Site } from '../backends/backend.ts'
import type { Identity } from '../pki/certificate.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import { jsonOf } from '../protocols/http/answer.ts'
import { exchange } from '../protocols/http/exchange.ts'
import { FreshCredentials } from './fresh-credentials.ts'
import type { OperatorClient } from './operator-client.ts'

/** Reads at a target with a credential that is accepted there: what a program of somebody else's shows to its own users. */
export function acceptedClient(
  site: Site,
  credential: string,
  endpoint: (identity: Identity | undefined) => Promise<Endpoint>,
): Pick<OperatorClient, 'get'> {
  let fresh = new FreshCredentials(site)
  const get = async (path: string) => {
    const { certificate, token } = await fresh.named(credential).presented()
    const headers = token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]
    const { status, body } = await exchange(await endpoint(certificate), { method: 'GET', path, headers })
    return { status, body, json: jsonOf(body) }
  }
  return {
    async get(path) {
      const answer = await get(path)
      if (answer.status !== 401) return answer
      // The key of its issuer may have been retired since.
      fresh = fresh.withCertificates()
      return get(path)
    },
  }
}
