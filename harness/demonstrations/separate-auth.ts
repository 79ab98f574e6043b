import type { Demonstrated } from './demonstration.ts'

/** One call, whatever is presented. */
const connect = { from: 'node-b', to: 'node-a', action: 'peering:connect' }

/** What the two organisations accept from each other, and what they must not. */
export const separateAuth: readonly Demonstrated[] = [
  {
    from: 'node-a',
    to: 'node-b',
    action: 'peering:connect',
    presents: 'the peer token that auth-b minted for it',
    credential: (named) => named('peer-a-to-b'),
    expected: 'accepted',
    because: 'right issuer, right audience, bound to the certificate presented',
  },
  {
    ...connect,
    presents: 'the peer token that auth-a minted for it',
    credential: (named) => named('peer-b-to-a'),
    expected: 'accepted',
    because: 'the same in the other direction',
  },
  {
    from: 'node-a',
    to: 'node-a',
    action: 'node:read',
    presents: 'its own node token, at its own local API',
    credential: (named) => named('node-a'),
    expected: 'accepted',
    because: 'a node token is good at home',
  },
  {
    ...connect,
    presents: 'its own node token, minted by auth-b',
    credential: (named) => named('node-b'),
    expected: { status: 401, error: 'invalid_token', reason: 'issuer_untrusted' },
    because: 'node-a trusts the tokens of auth-a only',
  },
  {
    from: 'auth-a',
    to: 'node-a',
    action: 'peering:connect',
    presents: 'node-b’s peer token, stolen, over its own certificate',
    credential: (named) => named('peer-b-to-a').over(named('cert-auth-a')),
    expected: { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch' },
    because: 'the token is bound to the certificate of node-b',
  },
  {
    ...connect,
    presents: 'its peer token, and no certificate',
    credential: (named) => named('peer-b-to-a').withoutCertificate(),
    expected: { reason: 'cert_missing' },
    because: 'without a certificate the connection ends before any request',
  },
]
