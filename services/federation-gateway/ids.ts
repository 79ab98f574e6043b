/** A lower-case UUID in its canonical form (RFC 9562 section 4). Any version, but not the nil one, which names nothing. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const NIL = '00000000-0000-0000-0000-000000000000'

export function isUuid(text: string): boolean {
  return UUID.test(text) && text !== NIL
}

/** RFC 5280 appendix A: a common name has at most 64 characters. */
const LONGEST_COMMON_NAME = 64
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Common names of peers: lower-case DNS names of two labels or more, without a dot at the end, that are no addresses. */
export function isCommonName(text: string): boolean {
  const labels = text.split('.')
  const isName = labels.length >= 2 && labels.every((label) => LABEL.test(label))
  return text.length <= LONGEST_COMMON_NAME && isName && !/^\d+$/.test(labels.at(-1)!)
}
