/** One DER element: its identifier octet, its content, and all of its bytes. */
export interface Element {
  readonly tag: number
  readonly content: Uint8Array
  readonly whole: Uint8Array
}

/** Identifier octets (ITU-T X.690 section 8.1.2) that are met here. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** Explicit ones of a structure, constructed. */
  context0: 0xa0,
  context3: 0xa3,
} as const

/**
 * Splits bytes into DER elements (ITU-T X.690 section 10.1): short identifiers, definite lengths in their shortest form, and no byte that
 * belongs to none. Undefined for anything else. What it reads comes from a certificate that a stranger made.
 */
export function elementsOf(bytes: Uint8Array): Element[] | undefined {
  const elements: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const header = headerAt(bytes, at)
    if (header === undefined || header.end > bytes.length) return undefined
    const { begin, end } = header
    elements.push({ tag: bytes[at]!, content: bytes.subarray(begin, end), whole: bytes.subarray(at, end) })
    at = end
  }
  return elements
}

/** The one element that the bytes are. */
export function onlyElement(bytes: Uint8Array): Element | undefined {
  const elements = elementsOf(bytes)
  return elements?.length === 1 ? elements[0] : undefined
}

function headerAt(bytes: Uint8Array, at: number): { begin: number; end: number } | undefined {
  const [tag, first] = [bytes[at]!, bytes[at + 1]]
  // 0x1f: the number of the tag follows in octets of its own.
  if ((tag & 0x1f) === 0x1f || first === undefined) return undefined
  if (first < 0x80) return { begin: at + 2, end: at + 2 + first }
  const octets = first & 0x7f
  const begin = at + 2 + octets
  if (begin > bytes.length) return undefined
  const length = bytes.subarray(at + 2, begin).reduce((sum, octet) => sum * 256 + octet, 0)
  // An indefinite length (0x80) says none, and so is not the shortest form of any.
  const isShortest = length >= 0x80 && bytes[at + 2] !== 0
  return isShortest ? { begin, end: begin + length } : undefined
}

/** What an element of this tag is made of. @throws SyntaxError for another one */
export function membersOf(element: Element | undefined, tag: number): Element[] {
  const members = element?.tag === tag ? elementsOf(element.content) : undefined
  if (members === undefined) throw new SyntaxError('no such element')
  return members
}

/** @throws SyntaxError for more or fewer */
export function exactly(count: number, members: Element[]): Element[] {
  if (members.length !== count) throw new SyntaxError('another number of members')
  return members
}
