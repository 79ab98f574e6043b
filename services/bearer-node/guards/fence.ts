import { guard } from '../../shared/guard.ts'

export interface FenceContext {
  /** Of the message. */
  readonly epoch: number
  /** The highest that this node knows. */
  readonly known: number
}

/** What a leader says that is none any more has no effect. */
export const bearerFence = guard<FenceContext>('bearer.fence', ['stale_epoch'], ({ epoch, known }) =>
  epoch < known ? { reason: 'stale_epoch', status: 409 } : undefined,
)
