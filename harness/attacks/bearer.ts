import type { Attack } from './attack.ts'
import { carriers } from './bearer-carriers.ts'

/** How tokens are carried, asked about and ended. */
export const bearer: readonly Attack[] = [...carriers]
