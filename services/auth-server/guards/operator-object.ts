import { guard } from '../../shared/guard.ts'

/** The client or token that an operator names must be there. */
export const operatorObject = guard<{ exists: boolean }>('operator.object', ['object_unknown'], ({ exists }) =>
  exists ? undefined : { reason: 'object_unknown', status: 404, error: 'not_found' },
)
