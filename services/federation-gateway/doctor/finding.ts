import type { Check } from '../wire/doctor.ts'

/** What one look has found. No text of it holds anything secret. */
export interface Finding {
  readonly status: Check['status']
  readonly detail: string
  readonly remedy?: string
}

export const ok = (detail: string): Finding => ({ status: 'ok', detail })
/** It could not be made, or does not concern this gateway. */
export const notMade = (detail: string): Finding => ({ status: 'skip', detail })
export const warn = (detail: string, remedy: string): Finding => ({ status: 'warn', detail, remedy })
export const fail = (detail: string, remedy: string): Finding => ({ status: 'fail', detail, remedy })

/**
 * A message of ours names thing and place, then the way out: `the file is empty; put it there`. The last clause is the remedy.
 */
export function failAs(message: string, remedy: string): Finding {
  const at = message.lastIndexOf('; ')
  return at < 0 ? fail(message, remedy) : fail(message.slice(0, at), message.slice(at + 2))
}
