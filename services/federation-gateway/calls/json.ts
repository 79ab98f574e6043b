import type { CallAnswer } from './https-call.ts'

export function isJson({ headers }: Pick<CallAnswer, 'headers'>): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')
}

/** Undefined for what is no JSON in UTF-8. The parser's own message would quote it. */
export function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}
