import type { Attack } from '../attack.ts'
import { carriers } from './bearer-carriers.ts'
import { introspection } from './bearer-introspection.ts'
import { issuerEndpoints } from './bearer-issuer.ts'
import { load } from './bearer-load.ts'
import { secrets } from './bearer-secrets.ts'

/** How tokens are carried, asked about and ended. */
export const bearer: readonly Attack[] = [...carriers, ...secrets, ...introspection, ...issuerEndpoints, ...load]
