/**
 * Guards: every check of a service is one small function with an id, and every reason code belongs to one guard.
 *
 * `guard` only names a function. That makes it the single seam through which a harness can take a check out from outside,
 * by replacing this module when the process is loaded: a service itself has no switch that turns a check off.
 */

/** Why a request is refused. The caller gets `status`, `error` and generic text; `reason` goes to the decision log only. */
export interface Refusal {
  reason: string
  /** HTTP status, or null where the connection simply ends. */
  status: number | null
  /** Error code of RFC 6749, RFC 6750 or the service's own, as the caller sees it. */
  error?: string
  /** For `insufficient_scope` (RFC 6750 section 3.1): the scope that would have been enough. */
  scope?: string
  /** Seconds for `Retry-After`. */
  retryAfter?: number
  /** Methods for `Allow`. */
  allow?: readonly string[]
  /** For the decision log, of what is not valid yet: by how many whole seconds the clock here is behind where it is, or more. */
  skewSeconds?: number
}

export interface Guard<Context> {
  readonly id: string
  /** Every reason code that this guard can give. */
  readonly reasons: readonly string[]
  /** Answers a refusal, or nothing when the check passes. */
  readonly check: (context: Context) => Refusal | undefined | Promise<Refusal | undefined>
}

const declared = new Map<string, readonly string[]>()

export function guard<Context>(id: string, reasons: readonly string[], check: Guard<Context>['check']): Guard<Context> {
  if (declared.has(id)) throw new Error(`guard ${id} is declared twice`)
  declared.set(id, reasons)
  return { id, reasons, check }
}

/** Every guard of this process with its reason codes. */
export function guards(): ReadonlyMap<string, readonly string[]> {
  return declared
}

/** The first refusal in order, with the guard that gave it. */
export async function firstRefusal<Context>(
  order: readonly Guard<Context>[],
  context: Context,
): Promise<{ guard: string; refusal: Refusal } | undefined> {
  for (const { id, check } of order) {
    const answer = check(context)
    // Most guards are synchronous; awaiting them would cost a turn of the event loop each.
    const refusal = answer instanceof Promise ? await answer : answer
    if (refusal !== undefined) return { guard: id, refusal }
  }
  return undefined
}
