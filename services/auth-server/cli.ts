import { type Command, InvalidArgumentError } from 'commander'
import type { OperatorCall } from './operator-client.ts'

/** Adds the commands that are thin clients of the operator API: what it answers is printed, what it refuses is exit code 1. */
export function addOperatorCommands(root: Command): void {
  const token = group(root, 'token', 'tokens of a running server')
  operation(token, 'mint', 'mint a token for a client that proved its certificate')
    .requiredOption('--client <id>', 'the client that the token is for')
    .requiredOption('--resource <uri>', 'resource of one of its grants')
    .option('--scope <scopes>', 'scopes, separated by spaces; default: all of the grant')
    .option('--expires-in <seconds>', 'how long it lives', wholeNumber)
    .option('--x5t <thumbprint>', 'proven certificate that it is bound to; default: the newest')
    .action((_, self: Command) => {
      const { client, resource, scope, expiresIn, x5t } = self.opts<Record<string, string>>()
      const body = { clientId: client, resource, scope: scope?.split(' '), expiresIn, 'x5t#S256': x5t }
      return run(self, { method: 'POST', path: '/tokens', body })
    })
  operation(token, 'list', 'list what is known of tokens, never their text')
    .option('--subject <name>', 'of this client')
    .option('--x5t <thumbprint>', 'bound to this certificate')
    .option('--san <name>', 'bound to a certificate with this DNS name')
    .option('--state <state>', 'active, revoked or expired')
    .option('--limit <number>', 'tokens in one answer, 1 to 1000')
    .option('--cursor <cursor>', 'go on where an answer ended')
    .action((_, self: Command) => {
      const { subject, x5t, san, state, limit, cursor } = self.opts<Record<string, string>>()
      return run(self, { method: 'GET', path: '/tokens', query: { subject, x5t, san, state, limit, cursor } })
    })
  operation(token, 'revoke', 'end tokens; give exactly one of the three')
    .option('--jti <jti>', 'this token')
    .option('--san <name>', 'all that are bound to a certificate with this DNS name')
    .option('--x5t <thumbprint>', 'all that are bound to this certificate')
    .action((_, self: Command) => {
      const { jti, san, x5t } = self.opts<Record<string, string>>()
      return run(self, { method: 'POST', path: '/tokens/revoke', body: { jti, san, x5t } })
    })

  const client = group(root, 'client', 'clients of a running server')
  operation(client, 'put', 'register or replace a client')
    .argument('<id>')
    .requiredOption('--file <file>', 'JSON registration; - reads standard input')
    .action((id: string, { file }: { file: string }, self: Command) =>
      run(self, { method: 'PUT', path: `/clients/${encodeURIComponent(id)}`, bodyFile: file }),
    )
  operation(client, 'get', 'show a client')
    .argument('<id>')
    .action((id: string, _, self: Command) => run(self, { method: 'GET', path: `/clients/${encodeURIComponent(id)}` }))
  operation(client, 'delete', 'remove a client and revoke its tokens')
    .argument('<id>')
    .action((id: string, _, self: Command) =>
      run(self, { method: 'DELETE', path: `/clients/${encodeURIComponent(id)}` }),
    )
  operation(client, 'list', 'list the clients').action((_, self: Command) =>
    run(self, { method: 'GET', path: '/clients' }),
  )

  const keys = group(root, 'keys', 'signing keys of a running server')
  operation(keys, 'rotate', 'sign with a new key from now on')
    .option('--immediate', 'end every earlier key, and with it every token that it signed')
    .option('--grace-seconds <seconds>', 'how long the earlier key goes on verifying; default 300', wholeNumber)
    .option('--alg <alg>', 'algorithm of the new key')
    .action((_, self: Command) => {
      const { immediate, graceSeconds, alg } = self.opts<{ immediate?: true; graceSeconds?: number; alg?: string }>()
      const body = { mode: immediate ? 'immediate' : 'grace', graceSeconds, alg }
      return run(self, { method: 'POST', path: '/keys/rotate', body })
    })
  operation(keys, 'list', 'list the keys, public parts only').action((_, self: Command) =>
    run(self, { method: 'GET', path: '/keys' }),
  )
}

function group(root: Command, name: string, description: string): Command {
  return root.command(name).description(description)
}

function operation(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .requiredOption('--url <url>', 'operator listener, such as https://auth.example.org:8445')
    .requiredOption('--cert <file>', 'PEM file: operator certificate, then intermediates')
    .requiredOption('--key <file>', 'PEM file: its private key')
    .requiredOption('--ca <file>', "PEM file: root of the server's trust domain")
}

async function run(command: Command, call: Omit<OperatorCall, 'url' | 'cert' | 'key' | 'ca'>): Promise<void> {
  const { url, cert, key, ca } = command.opts<{ url: string; cert: string; key: string; ca: string }>()
  const { callOperator } = await import('./operator-client.ts')
  process.exitCode = await callOperator({ url, cert, key, ca, ...call })
}

function wholeNumber(text: string): number {
  if (!/^-?[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('must be a whole number')
  return Number(text)
}
