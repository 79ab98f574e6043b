import type { Action } from '../../topology/kind.ts'
import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import { checkOf } from '../checks.ts'

// How a peer has its key certified: by the token of an invitation, at the listener that asks for no certificate.

export const enrolmentActions: Readonly<Record<string, Action>> = {
  'enrolment:redeem': {
    summary: 'has a key certified for an invitation',
    listener: 'public',
    carrier: 'bearer',
    request: {
      http: {
        method: 'POST',
        path: '/api/federation/enrollment/{invitation.token}',
        json: { csrPem: '{invitation.csrPem}' },
        expect: [200],
      },
    },
  },
}

const absent = { layer: 'http', status: 404, error: 'not_found' } as const
const gone = { layer: 'http', status: 410, error: 'gone' } as const
const conflict = { layer: 'http', status: 409, error: 'conflict' } as const
const invalid = { layer: 'http', status: 422, error: 'invalid_csr' } as const

const check = checkOf('enrolment-token')

/** The token first, and of the request only what whoever has a token may learn. */
const checks: readonly PlannedCheck[] = [
  // Without a token there is nothing behind the last slash, and no such route.
  check('presented', 'http.route', 'route_unknown', absent),
  check('known', 'enr.token-known', 'token_unknown', absent),
  check('unused', 'enr.token-unused', 'token_used', gone),
  check('not-expired', 'enr.token-fresh', 'token_expired', gone),
  check('grant-alive', 'enr.grant', 'token_grant_ended', gone),
  check('grant-pending', 'enr.grant', 'grant_already_active', conflict),
  check('readable', 'enr.csr', 'csr_malformed', invalid),
  check('strong-key', 'enr.csr', 'csr_key', invalid),
  check('strong-digest', 'enr.csr', 'csr_digest', invalid),
  check('signed', 'enr.csr', 'csr_signature', invalid),
  check('named', 'enr.csr-name', 'csr_name_mismatch', invalid),
  check('new-key', 'enr.csr-fresh', 'csr_key_reused', invalid),
]

export const enrolmentVerification: Readonly<Record<string, ActionVerification>> = {
  'enrolment:redeem': { takes: [['enrolment-token']], checks },
}
