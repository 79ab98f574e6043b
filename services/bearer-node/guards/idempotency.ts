import { guard } from '../../shared/guard.ts'

export interface IdempotencyContext {
  /** SHA-256 of the body of this request. */
  readonly digest: string
  /** Of the body that the key came with first. Undefined: the key is new. */
  readonly known: string | undefined
}

/** A key stands for one request. */
export const bearerIdempotency = guard<IdempotencyContext>(
  'bearer.idempotency',
  ['idempotency_conflict'],
  ({ digest, known }) =>
    known === undefined || known === digest ? undefined : { reason: 'idempotency_conflict', status: 409 },
)
