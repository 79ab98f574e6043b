/** One HTTP/1.1 answer as it stood in the stream. */
export interface RawAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** Whether it came to its end: by its own length, or because the connection ended. */
  readonly isWhole: boolean
}

const statusLine = /^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?$/

/**
 * Reads the answers in what a server sent, one after the other: bytes that are no answer end the reading. A body that says neither its
 * length nor its chunks lasts until the connection ends (RFC 9112 section 6.3).
 */
export function readAnswers(bytes: Buffer, isEnded: boolean): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = bytes
  while (rest.length > 0) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) break
    const [first = '', ...lines] = rest.subarray(0, headEnd).toString('latin1').split('\r\n')
    const status = Number(statusLine.exec(first)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) break
    const headers = lines.map(headerOf)
    const after = rest.subarray(headEnd + 4)
    const { body, length, isWhole } = bodyIn(after, status, headers, isEnded)
    answers.push({ status, headers, body: body.toString('utf8'), isWhole })
    if (!isWhole) break
    rest = after.subarray(length)
  }
  return answers
}

/** With how many bytes of the stream it takes. */
type Body = Pick<RawAnswer, 'isWhole'> & { readonly body: Buffer; readonly length: number }

function bodyIn(after: Buffer, status: number, headers: RawAnswer['headers'], isEnded: boolean): Body {
  const fieldOf = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1]
  const length = fieldOf('content-length')
  // After 101 the stream is another protocol's.
  if (status !== 101) {
    if (status < 200 || status === 204 || status === 304) return ofLength(after, 0)
    if (fieldOf('transfer-encoding')?.toLowerCase() === 'chunked') return inChunks(after)
    if (length !== undefined && /^\d+$/.test(length)) return ofLength(after, Number(length))
  }
  return { body: after, length: after.length, isWhole: isEnded }
}

function ofLength(after: Buffer, length: number): Body {
  return { body: after.subarray(0, length), length, isWhole: after.length >= length }
}

/** RFC 9112 section 7.1, without trailers. */
function inChunks(after: Buffer): Body {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = after.indexOf('\r\n', at)
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(after.toString('latin1', at, lineEnd), 16)
    const end = lineEnd + 2 + size + 2
    if (Number.isNaN(size) || after.length < end) return { body: Buffer.concat(chunks), length: at, isWhole: false }
    chunks.push(after.subarray(lineEnd + 2, end - 2))
    at = end
    if (size === 0) return { body: Buffer.concat(chunks), length: at, isWhole: true }
  }
}

function headerOf(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}
