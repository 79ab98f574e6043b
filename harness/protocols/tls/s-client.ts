import type { Pasted } from '../protocol.ts'
import { shellWord } from '../shell-word.ts'

// #region paste
/**
 * The handshake as a command to paste into a POSIX shell. Its input stays open for as long as a refusal may take: at the end of it
 * `openssl` hangs up and prints `DONE`, and would not hear what comes later. Where the far end hangs up before, there is no `DONE`.
 */
export function sClientCommand({
  request,
  host,
  port,
  address,
  anchor,
  certificate,
}: Pasted<{ alpn?: string[] }>): string {
  const words = ['openssl', 's_client', '-brief', '-connect', `${address}:${port}`, '-servername', host]
  words.push('-verify_hostname', host, '-verify_return_error', '-CAfile', anchor)
  // `-cert` alone sends the leaf, without the CA certificates that stand behind it in the same file.
  if (certificate) words.push('-cert', certificate.cert, '-cert_chain', certificate.cert, '-key', certificate.key)
  if (request.alpn) words.push('-alpn', request.alpn.join(','))
  return `sleep 1 | ${words.map(shellWord).join(' ')}`
}
// #endregion
