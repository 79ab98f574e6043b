/** What a curl command line is made of; paths are absolute paths on this machine. */
export interface CurlCall {
  url: string
  /** Where the URL's host really listens. */
  address: string
  method?: string
  ca: string
  certificate?: { cert: string; key: string }
  /** File with the bearer token: the command reads it, so that no secret is printed. */
  tokenFile?: string
  json?: unknown
  /** Opens a WebSocket of this subprotocol: what comes within 3 s is printed, then curl hangs up. */
  webSocket?: { protocol: string }
}

/** A command to paste into a POSIX shell. The token itself never stands in it. */
export function curlCommand(call: CurlCall): string {
  const url = new URL(call.url)
  const port = url.port || '443'
  const words = ['curl', '-sS', '--resolve', quote(`${url.hostname}:${port}:${call.address}`)]
  words.push('--cacert', quote(call.ca))
  if (call.certificate) words.push('--cert', quote(call.certificate.cert), '--key', quote(call.certificate.key))
  if (call.method && call.method !== 'GET') words.push('--request', call.method)
  if (call.tokenFile) words.push('-H', `"Authorization: Bearer $(cat ${quote(call.tokenFile)})"`)
  if (call.json !== undefined) {
    words.push('-H', quote('Content-Type: application/json'), '--data', quote(JSON.stringify(call.json)))
  }
  if (call.webSocket !== undefined) words.push(...upgradeWords(call.webSocket))
  // The status is half of the answer here; curl shows it only when asked to.
  words.push('--write-out', quote('\\n%{http_code}\\n'), quote(call.url))
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
