import { isIP } from 'node:net'
import { textParts } from '../../credentials/parts.ts'
import { systemRoots } from '../../pki/given.ts'
import type { Pasted } from '../protocol.ts'
import { enteringShell, shellWord } from '../shell-word.ts'
import type { HeaderLines } from './exchange.ts'
import { type Carry, linesOf } from './prepared.ts'

/** What a curl command line says of a request. */
export interface CurlRequest {
  readonly method?: string
  readonly path: string
  readonly json?: unknown
  readonly carry?: Carry
  readonly fields?: Readonly<Record<string, string>>
  /** Header lines that ask for another protocol: what comes within 3 s is printed, then curl hangs up. */
  readonly upgrade?: HeaderLines
}

/** A command to paste into a POSIX shell. No secret stands in it. */
export function curlCommand(call: Pasted<CurlRequest>): string {
  const { host, port, certificate, request, isPlain, enter = [] } = call
  const { method = 'GET', json, upgrade } = request
  // An address of a name is a name where the service was up before: localhost, say.
  const where = isIP(call.address) ? ['--resolve', call.address] : ['--connect-to', `${call.address}:${port}`]
  const words = ['curl', '-sS', where[0], shellWord(`${host}:${port}:${where[1]}`)]
  if (!isPlain && call.anchor !== systemRoots) words.push('--cacert', shellWord(call.anchor))
  if (certificate) words.push('--cert', shellWord(certificate.cert), '--key', shellWord(certificate.key))
  if (method !== 'GET') words.push('--request', method)
  const filled = textParts.flatMap((part) =>
    call[part] === undefined ? [] : [[part, `$(cat ${shellWord(call[part])})`]],
  )
  const lines = linesOf(Object.fromEntries(filled), request.carry)
  words.push(...lines.flatMap((line) => ['-H', `"${line.join(': ')}"`]))
  words.push(...Object.entries(request.fields ?? {}).flatMap((line) => ['-H', shellWord(line.join(': '))]))
  if (json !== undefined) {
    words.push('-H', shellWord('Content-Type: application/json'), '--data', shellWord(JSON.stringify(json)))
  }
  if (upgrade !== undefined) {
    words.push('--http1.1', '--max-time', '3', '--include', '--no-buffer')
    words.push(...upgrade.flatMap((line) => ['-H', shellWord(line.join(': '))]))
  }
  // The status is half of the answer here; curl shows it only when asked to.
  words.push(
    '--write-out',
    shellWord('\\n%{http_code}\\n'),
    shellWord(`${isPlain ? 'http' : 'https'}://${host}:${port}${request.path}`),
  )
  return enteringShell(enter, words.join(' '))
}
