import type { Attack } from './attack.ts'

export const tls: readonly Attack[] = []
