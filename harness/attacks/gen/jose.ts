import type { Attack } from '../attack.ts'
import { claims } from './jose-claims.ts'
import { headers } from './jose-headers.ts'
import { keySets } from './jose-keys.ts'
import { kinds } from './jose-kinds.ts'
import { signatures } from './jose-signatures.ts'
import { sizes } from './jose-sizes.ts'

const secrets: readonly Attack[] = [
  {
    id: 'GEN-23',
    title: 'a secret to sign with is a good one',
    source: 'RFC 8725 section 3.5; RFC 7518 section 3.2',
    needs: ['start'],
    variants: {},
    notHere: 'nobody signs or verifies with a shared secret: no HMAC algorithm is in any list',
  },
]

/** How tokens are written and signed. */
export const jose: readonly Attack[] = [
  ...signatures,
  ...keySets,
  ...headers,
  ...kinds,
  ...claims,
  ...sizes,
  ...secrets,
]
