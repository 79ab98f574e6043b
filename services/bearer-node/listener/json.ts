import { BodyRefused, isDeep, parseStrictJson } from '../../shared/http-json.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A body, parsed; or the status of its refusal: 400 for what is no JSON, 422 for what is nested too deep. */
export function parseJson(body: Buffer): { value: unknown; status?: undefined } | { status: 400 | 422 } {
  let text: string
  try {
    text = strictUtf8.decode(body)
  } catch {
    return { status: 400 }
  }
  try {
    return { value: parseStrictJson(text) }
  } catch (failure) {
    if (!(failure instanceof BodyRefused)) throw failure
    return { status: isWhole(text) && isDeep(text) ? 422 : 400 }
  }
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
