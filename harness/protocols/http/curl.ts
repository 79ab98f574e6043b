import type { Pasted } from '../protocol.ts'
import { type Carry, tokenLine } from './carry.ts'
import type { HeaderLines } from './exchange.ts'

/** What a curl command line says of a request. */
export interface CurlRequest {
  readonly method?: string
  readonly path: string
  readonly json?: unknown
  readonly carry?: Carry
  /** Header lines that ask for another protocol: what comes within 3 s is printed, then curl hangs up. */
  readonly upgrade?: HeaderLines
}

/** A command to paste into a POSIX shell. The token itself never stands in it. */
export function curlCommand(call: Pasted<CurlRequest>): string {
  const { host, port, certificate, token, request } = call
  const { method = 'GET', json, upgrade } = request
  const words = ['curl', '-sS', '--resolve', quote(`${host}:${port}:${call.address}`)]
  words.push('--cacert', quote(call.anchor))
  if (certificate) words.push('--cert', quote(certificate.cert), '--key', quote(certificate.key))
  if (method !== 'GET') words.push('--request', method)
  if (token !== undefined) words.push('-H', `"${tokenLine(`$(cat ${quote(token)})`, request.carry).join(': ')}"`)
  if (json !== undefined) {
    words.push('-H', quote('Content-Type: application/json'), '--data', quote(JSON.stringify(json)))
  }
  if (upgrade !== undefined) {
    words.push('--http1.1', '--max-time', '3', '--include', '--no-buffer')
    words.push(...upgrade.flatMap((line) => ['-H', quote(line.join(': '))]))
  }
  // The status is half of the answer here; curl shows it only when asked to.
  words.push('--write-out', quote('\\n%{http_code}\\n'), quote(`https://${host}:${port}${request.path}`))
  return words.join(' ')
}

/** Left bare where the shell reads it as one word anyway. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
