import { type Family, inOrder } from '../attack.ts'
import { carriers } from './bearer-carriers.ts'
import { introspection } from './bearer-introspection.ts'
import { issuerEndpoints } from './bearer-issuer.ts'
import { load } from './bearer-load.ts'
import { paths } from './bearer-paths.ts'
import { secrets } from './bearer-secrets.ts'
import { claims } from './jose-claims.ts'
import { comparisons } from './jose-comparisons.ts'
import { headers } from './jose-headers.ts'
import { keySets } from './jose-keys.ts'
import { kinds } from './jose-kinds.ts'
import { signatures } from './jose-signatures.ts'
import { sizes } from './jose-sizes.ts'

/** How tokens are written and signed, carried, asked about and ended. */
export const family: Family = {
  name: 'gen',
  summary: 'JOSE and the transport of bearer tokens',
  surfaces: {
    'takes:bound-token':
      'an action that takes bearer tokens which are bound to a certificate; one that is accepted is known',
    'checks:bound-token/caller-known': 'an action that is there for certain subjects only',
    'checks:bound-token/scope': 'an action that demands a scope',
    'checks:bound-token/node': 'an action that looks at the list of nodes in a token',
    'speaks:http': 'an action that is a request, and a listener that answers more than one on a connection',
    'jwks-client': 'a unit that fetches the keys of the issuer that it believes',
    'introspection-client': 'a unit that asks the issuer that it believes about tokens',
    'token-endpoint': 'a unit that gives tokens to clients',
    introspection: 'a unit that tells clients about tokens',
    revocation: 'a unit at which clients end tokens',
  },
  attacks: inOrder(
    ...[signatures, keySets, headers, kinds, claims, comparisons, sizes],
    ...[carriers, paths, secrets, introspection, issuerEndpoints, load],
  ),
}
