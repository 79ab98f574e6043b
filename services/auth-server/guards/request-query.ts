import type { z } from 'zod'
import { guard } from '../../shared/guard.ts'

/** Query parameters on their way: `value` is set when they passed. */
export interface QueryRequest {
  query: URLSearchParams
  schema: z.ZodType
  value?: unknown
}

export const requestQuery = guard<QueryRequest>('request.query', ['query_invalid'], (context) => {
  const names = [...context.query.keys()]
  const result = context.schema.safeParse(Object.fromEntries(context.query))
  if (!result.success || new Set(names).size !== names.length) {
    return { reason: 'query_invalid', status: 400, error: 'invalid_request' }
  }
  context.value = result.data
  return undefined
})
