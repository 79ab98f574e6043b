import { HOSTS_VARIABLE } from '../../toolchain/overlay.ts'
import type { Pasted } from '../protocol.ts'
import { enteringShell, shellWord } from '../shell-word.ts'
import type { NatsRequest } from './request.ts'

/**
 * The call as a command of `nats` (natscli) to paste into a POSIX shell. It reads keys and credentials from their files. A login alone
 * is told by how long it took to be answered.
 */
export function natsCommand(call: Pasted<NatsRequest>): string {
  const { request, host, port, anchor, certificate, creds, token, program, enter = [] } = call
  // A context that somebody chose would fill in what is left out.
  const words = [program?.path ?? 'nats', '--no-context', '--server', `tls://${host}:${port}`, '--tlsca', anchor]
  if (certificate) words.push('--tlscert', certificate.cert, '--tlskey', certificate.key)
  if (creds) words.push('--creds', creds)
  if (request.inbox) words.push('--inbox-prefix', request.inbox)
  // Everybody sees arguments, and the environment only whoever may read the file, too.
  const environment = [
    // No option of its own tells it an address for a name.
    ...(program === undefined ? [] : [`${HOSTS_VARIABLE}=${shellWord(program.hosts)}`]),
    ...(token === undefined ? [] : [`NATS_TOKEN="$(cat ${shellWord(token)})"`]),
  ]
  return enteringShell(enter, [...environment, ...[...words, ...doing(request)].map(shellWord)].join(' '))
}

function doing({ publish, subscribe, ask, queue, reply, data = '' }: NatsRequest): string[] {
  // What comes is printed until nothing has come for 3 s.
  if (subscribe !== undefined)
    return ['sub', subscribe, '--wait', '3s', ...(queue === undefined ? [] : ['--queue', queue])]
  if (ask !== undefined) return ['request', ask, data]
  if (publish !== undefined) return ['pub', publish, data, ...(reply === undefined ? [] : ['--reply', reply])]
  return ['rtt']
}
