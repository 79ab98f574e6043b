import type { Attack } from './attack.ts'
import { claims } from './jose-claims.ts'
import { headers } from './jose-headers.ts'
import { keySets } from './jose-keys.ts'
import { signatures } from './jose-signatures.ts'

/** How tokens are written and signed. */
export const jose: readonly Attack[] = [...signatures, ...keySets, ...headers, ...claims]
