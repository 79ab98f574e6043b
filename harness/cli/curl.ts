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
}

/** A command to paste into a POSIX shell. The token itself never stands in it. */
export function curlCommand(call: CurlCall): string {
  const url = new URL(call.url)
  const port = url.port || '443'
  const words = ['curl', '--silent', '--show-error', '--resolve', quote(`${url.hostname}:${port}:${call.address}`)]
  words.push('--cacert', quote(call.ca))
  if (call.certificate) words.push('--cert', quote(call.certificate.cert), '--key', quote(call.certificate.key))
  if (call.method && call.method !== 'GET') words.push('--request', call.method)
  if (call.tokenFile) words.push('--header', `"Authorization: Bearer $(cat ${quote(call.tokenFile)})"`)
  if (call.json !== undefined) {
    words.push('--header', quote('Content-Type: application/json'), '--data', quote(JSON.stringify(call.json)))
  }
  // The status is half of the answer here; curl shows it only when asked to.
  words.push('--write-out', quote('\\n%{http_code}\\n'), quote(call.url))
  return words.join(' ')
}

/** Left bare where the shell reads it as one word anyway. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
