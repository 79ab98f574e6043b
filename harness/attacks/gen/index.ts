import { type Family, inOrder } from '../attack.ts'
import { carriers } from './bearer-carriers.ts'
import { introspection } from './bearer-introspection.ts'
import { issuerEndpoints } from './bearer-issuer.ts'
import { load } from './bearer-load.ts'
import { secrets } from './bearer-secrets.ts'
import { claims } from './jose-claims.ts'
import { headers } from './jose-headers.ts'
import { keySets } from './jose-keys.ts'
import { kinds } from './jose-kinds.ts'
import { signatures } from './jose-signatures.ts'
import { sizes } from './jose-sizes.ts'

/** How tokens are written and signed, carried, asked about and ended. */
export const family: Family = {
  name: 'gen',
  summary: 'JOSE and the transport of bearer tokens',
  attacks: inOrder(
    ...[signatures, keySets, headers, kinds, claims, sizes],
    ...[carriers, secrets, introspection, issuerEndpoints, load],
  ),
}
