import type { z } from 'zod'
import type { Guard, Refusal } from '../shared/guard.ts'
import { localBody } from './guards/local-request.ts'

/** What a handler is given once the caller was let in. */
export interface LocalCall {
  /** Path segments after `/v1`, decoded. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  /** The JSON body, read under strict rules, and what `schema` makes of it. Rejects with `CallRefused`. */
  body<Value>(schema: z.ZodType<Value>): Promise<Value>
  /** The JSON body as it is, under the same rules but for its size. Rejects with `BodyRefused`. */
  read(largest: number): Promise<unknown>
}

export interface LocalAnswer {
  readonly status: number
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type LocalAction = 'node:read' | 'node:routes' | 'peers:write' | 'commands:write' | 'inventory:read'

/** What only operators may do, whatever token the node shows; a token with its scope is good for the rest. */
export function isForOperators(action: LocalAction): boolean {
  return action !== 'node:read' && action !== 'node:routes'
}

/** One call of the local API. */
export interface LocalOperation {
  readonly method: string
  /** Segments after `/v1`; `*` stands for any one. */
  readonly path: readonly string[]
  readonly action: LocalAction
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
export function pass<Context>(guard: Guard<Context>, context: Context, description: string | (() => string)): void {
  const refusal = guard.check(context)
  if (refusal instanceof Promise) throw new Error(`${guard.id} must be synchronous`)
  if (refusal === undefined) return
  throw new CallRefused(guard.id, refusal, typeof description === 'string' ? description : description())
}

/** What a schema makes of what a caller gave. Throws `CallRefused`. */
export function valid<Value>(schema: z.ZodType<Value>, given: unknown): Value {
  const result = schema.safeParse(given)
  const mistakes = result.error?.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`) ?? []
  pass(localBody, { isValid: result.success }, mistakes.join('; '))
  return result.data as Value
}
