import { Agent, request } from 'node:https'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { startBaseline } from './baseline.ts'
import { load } from './load.ts'
import type { Bench } from './main.ts'
import { interleave } from './measure.ts'
import { benchSite, identityOf, listenerOf, type NodeIdentity } from './site.ts'

const connections = 8
const tokensARound = 600
const form = new URLSearchParams({
  grant_type: 'client_credentials',
  client_id: 'node-a',
  scope: 'node:read node:routes',
  resource: 'https://node-a.somebiz.local.io',
}).toString()

export const bench: Bench = {
  summary: 'tokens minted at /token and committed to disk, against oidc-provider with its in-memory adapter',
  async run() {
    await using site = await benchSite('separate-auth')
    const caller = await identityOf(site, 'cert-node-a', 'org-a')
    const target = listenerOf(site, 'auth-a', 'mtls')
    await using baseline = await startBaseline('bare-mint', await identityOf(site, 'cert-auth-a', 'org-a'))
    const bare = { ...target, address: '127.0.0.1', port: baseline.port }
    await demandAlike(bare, caller)
    await demandAlike(target, caller)
    return [
      await interleave(
        'mint at /token',
        () => perSecond(bare, caller),
        () => perSecond(target, caller),
        { bar: { atLeast: 0.6 }, unit: 'per second', rounds: 7 },
      ),
    ]
  },
}

type Target = ReturnType<typeof listenerOf>

/** Both sides must do the same work: an ES256 JWT that is bound to the caller's certificate. */
async function demandAlike(target: Target, caller: NodeIdentity): Promise<void> {
  const agent = new Agent({ ...caller, servername: target.host })
  const token = await mint(target, agent)
  const { cnf } = decodeJwt<{ cnf?: { 'x5t#S256'?: string } }>(token)
  if (decodeProtectedHeader(token).alg !== 'ES256' || cnf?.['x5t#S256'] === undefined) {
    throw new Error(`${target.address}:${target.port} minted a token that is not a bound ES256 JWT`)
  }
}

async function perSecond(target: Target, caller: NodeIdentity): Promise<number> {
  const agent = new Agent({ ...caller, servername: target.host, keepAlive: true, maxSockets: connections })
  try {
    return (await load(async () => void (await mint(target, agent)), { count: tokensARound, width: connections }))
      .perSecond
  } finally {
    agent.destroy()
  }
}

function mint({ address, host, port }: Target, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { Host: `${host}:${port}`, 'Content-Type': 'application/x-www-form-urlencoded' }
    const call = request(
      { host: address, port, path: '/token', method: 'POST', agent, headers, timeout: 5_000 },
      (answer) => {
        let body = ''
        answer.setEncoding('utf8')
        answer.on('data', (text: string) => {
          body += text
        })
        answer.on('end', () =>
          answer.statusCode === 200 && body.includes('access_token')
            ? resolve(JSON.parse(body).access_token)
            : reject(new Error(`${host} answered ${answer.statusCode} to a token request: ${body.slice(0, 200)}`)),
        )
      },
    )
    call.on('timeout', () => call.destroy(new Error(`${host} did not answer`)))
    call.on('error', reject)
    call.end(form)
  })
}
