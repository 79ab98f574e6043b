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
 * Reads the answers in what a server sent, one after the other: bytes that are no answer end the reading. A body without
 * `Content-Length` lasts until the connection ends (RFC 9112 section 6.3); nothing of it is decoded.
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
    const length = lengthOf(status, headers) ?? after.length
    const isBounded = lengthOf(status, headers) !== undefined
    const isWhole = isBounded ? after.length >= length : isEnded
    answers.push({ status, headers, body: after.subarray(0, length).toString('utf8'), isWhole })
    if (!isWhole) break
    rest = after.subarray(length)
  }
  return answers
}

function headerOf(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}

/** How many bytes of body follow, where the head says so. */
function lengthOf(status: number, headers: RawAnswer['headers']): number | undefined {
  // After 101 the stream is another protocol's.
  if (status === 101) return undefined
  if (status < 200 || status === 204 || status === 304) return 0
  const value = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined
}
