import type { Pasted } from '../protocol.ts'
import { type Carry, tokenLine } from './carry.ts'

/** What a curl command line says of a request. */
export interface CurlRequest {
  readonly method?: string
  readonly path: string
  readonly json?: unknown
  readonly carry?: Carry
  /** Opens a WebSocket of this subprotocol: what comes within 3 s is printed, then curl hangs up. */
  readonly webSocket?: { readonly protocol: string }
}

/** A command to paste into a POSIX shell. The token itself never stands in it. */
export function curlCommand(call: Pasted<CurlRequest>): string {
  const { host, port, certificate, token, request } = call
  const { method = 'GET', json, webSocket } = request
  const words = ['curl', '-sS', '--resolve', quote(`${host}:${port}:${call.address}`)]
  words.push('--cacert', quote(call.anchor))
  if (certificate) words.push('--cert', quote(certificate.cert), '--key', quote(certificate.key))
  if (method !== 'GET') words.push('--request', method)
  if (token !== undefined) words.push('-H', `"${tokenLine(`$(cat ${quote(token)})`, request.carry).join(': ')}"`)
  if (json !== undefined) {
    words.push('-H', quote('Content-Type: application/json'), '--data', quote(JSON.stringify(json)))
  }
  if (webSocket !== undefined) words.push(...upgradeWords(webSocket))
  // The status is half of the answer here; curl shows it only when asked to.
  words.push('--write-out', quote('\\n%{http_code}\\n'), quote(`https://${host}:${port}${request.path}`))
  return words.join(' ')
}

/** RFC 6455 section 4.1; the key proves nothing, so any 16 bytes do. */
function upgradeWords({ protocol }: { protocol: string }): string[] {
  const headers = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: aG9sZGZhc3QgYnkgaGFuZA==',
    `Sec-WebSocket-Protocol: ${protocol}`,
  ]
  return ['--http1.1', '--max-time', '3', '--include', '--no-buffer', ...headers.flatMap((line) => ['-H', quote(line)])]
}

/** Left bare where the shell reads it as one word anyway. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
