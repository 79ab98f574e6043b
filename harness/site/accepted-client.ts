import type { Identity } from '../pki/certificate.ts'
import type { Endpoint } from '../protocols/endpoint.ts'
import { jsonOf } from '../protocols/http/answer.ts'
import { carried } from '../protocols/http/carry.ts'
import { exchange } from '../protocols/http/exchange.ts'
import type { FreshCredentials } from './fresh-credentials.ts'
import type { OperatorClient } from './operator-client.ts'

/** Reads at a target with a credential that is accepted there: what a program of somebody else's shows to its own users. */
export function acceptedClient(
  credentials: () => FreshCredentials,
  credential: string,
  endpoint: (identity: Identity | undefined) => Promise<Endpoint>,
): Pick<OperatorClient, 'get'> {
  let fresh = credentials()
  const get = async (path: string) => {
    const presented = await fresh.named(credential).presented()
    const { headers } = carried(presented)
    const { status, body } = await exchange(await endpoint(presented.certificate), { method: 'GET', path, headers })
    return { status, body, json: jsonOf(body) }
  }
  return {
    async get(path) {
      const answer = await get(path)
      if (answer.status !== 401) return answer
      // Its issuer may have ended all that it made so far.
      fresh = credentials()
      return get(path)
    },
  }
}
