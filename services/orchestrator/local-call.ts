import type { z } from 'zod'
import type { Guard, Refusal } from '../shared/guard.ts'
import { localBody } from './guards/local-request.ts'

/** What a handler is given once the caller was let in. */
interface LocalCall {
  /** Path segments after `/v1`, decoded. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  /** The JSON body, read under strict rules, and what `schema` makes of it. Rejects with `CallRefused`. */
  body<Value>(schema: z.ZodType<Value>): Promise<Value>
}

export interface LocalAnswer {
  readonly status: number
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** One call of the local API. */
export interface LocalOperation {
  readonly method: string
  /** Segments after `/v1`; `*` stands for any one. */
  readonly path: readonly string[]
  readonly action: 'node:read' | 'node:routes' | 'peers:write'
  run(call: LocalCall): LocalAnswer | Promise<LocalAnswer>
}

/** An operation ends a call with this when it must not go on. */
export class CallRefused extends Error {
  readonly guard: string
  readonly refusal: Refusal
  /** For the caller, who is somebody of ours by then: what was found, and the way out. */
  readonly description: string

  constructor(guard: string, refusal: Refusal, description: string) {
    super(refusal.reason)
    this.name = 'CallRefused'
    this.guard = guard
    this.refusal = refusal
    this.description = description
  }
}

/** Throws `CallRefused` when a guard of a call that was let in refuses. These guards are synchronous. */
export function pass<Context>(guard: Guard<Context>, context: Context, description: string): void {
  const refusal = guard.check(context)
  if (refusal instanceof Promise) throw new Error(`${guard.id} must be synchronous`)
  if (refusal !== undefined) throw new CallRefused(guard.id, refusal, description)
}

/** What a schema makes of what a caller gave. Throws `CallRefused`. */
export function valid<Value>(schema: z.ZodType<Value>, given: unknown): Value {
  const result = schema.safeParse(given)
  const mistakes = result.error?.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`) ?? []
  pass(localBody, { isValid: result.success }, mistakes.join('; '))
  return result.data as Value
}
