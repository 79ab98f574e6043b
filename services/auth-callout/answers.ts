import { Algorithms, encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt'
import type { CalloutKeys } from './keys.ts'
import type { LoginRequest } from './request.ts'

/** An answer for the broker that asked, and for it alone. */
export interface Answers {
  /** A user of WORKLOAD with the role of hosts, tagged with this one. */
  allow(request: LoginRequest, host: string, exp: number): Promise<string>
  /** The broker tells the caller one generic error, whatever stands here. */
  deny(request: LoginRequest, decision: string): Promise<string>
}

export function answersOf({ setup, response, hostRole }: CalloutKeys): Answers {
  const { AUTH, WORKLOAD } = setup.accounts
  const answer = (request: LoginRequest, data: { jwt: string } | { error: string }): Promise<string> =>
    encodeAuthorizationResponse(request.userKey, request.server.id, AUTH, data, { signer: response })
  return {
    async allow(request, host, exp) {
      const options = { algorithm: Algorithms.v2, signer: hostRole, scopedUser: true, exp }
      const jwt = await encodeUser(host, request.userKey, WORKLOAD, { tags: [`host:${host}`] }, options)
      return answer(request, { jwt })
    },
    deny: (request, decision) => answer(request, { error: `denied ${decision}` }),
  }
}
