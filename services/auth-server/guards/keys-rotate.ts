import { guard } from '../../shared/guard.ts'

/** One rotation at a time: a second would retire a key that has not signed anything yet. */
export const keysRotate = guard<{ isRotating: boolean }>('keys.rotate', ['rotation_in_progress'], ({ isRotating }) =>
  isRotating ? { reason: 'rotation_in_progress', status: 409, error: 'conflict' } : undefined,
)
