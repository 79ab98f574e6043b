import { guard } from '../../shared/guard.ts'
import type { PeerCertificate } from '../../shared/tls-listener.ts'

export interface OperatorCall {
  certificate: PeerCertificate | undefined
  operators: readonly string[]
  authorization: string | undefined
}

export const operatorCaller = guard<OperatorCall>(
  'operator.caller',
  ['not_operator'],
  ({ certificate, operators, authorization }) => {
    // Of the own CA it is by `operator.tls`.
    if (certificate?.sans.some((san) => operators.includes(san))) return undefined
    // RFC 6750 section 3.1: whoever comes with a token is told that no token reaches this far.
    const hasToken = /^bearer /i.test(authorization ?? '')
    return { reason: 'not_operator', status: 403, error: hasToken ? 'insufficient_scope' : 'access_denied' }
  },
)
