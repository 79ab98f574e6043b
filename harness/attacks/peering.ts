import type { Attack } from './attack.ts'

export const peering: readonly Attack[] = []
