import type { Attack } from './attack.ts'

export const bearer: readonly Attack[] = []
