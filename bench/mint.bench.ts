import { decodeJwt, decodeProtectedHeader } from 'jose'
import { startBaseline } from './baseline.ts'
import { type Call, callOnce, loadWith, type Target } from './caller.ts'
import type { Bench } from './main.ts'
import { interleave } from './measure.ts'
import { benchSite, identityOf, listenerOf, type NodeIdentity } from './site.ts'

const connections = 16
const tokensARound = 1_000
const rounds = 7
const call: Call = {
  method: 'POST',
  path: '/token',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: 'node-a',
    scope: 'node:read node:routes',
    resource: 'https://node-a.somebiz.local.io',
  }).toString(),
}

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
    const perSecond = async (at: Target): Promise<number> =>
      (await loadWith(at, caller, call, { count: tokensARound, connections })).perSecond
    return [
      await interleave(
        'mint at /token',
        () => perSecond(bare),
        () => perSecond(target),
        { bar: { atLeast: 0.6 }, unit: 'per second', rounds },
      ),
    ]
  },
}

/** Both sides must do the same work: an ES256 JWT that is bound to the caller's certificate. */
async function demandAlike(target: Target, caller: NodeIdentity): Promise<void> {
  const { access_token: token } = JSON.parse(await callOnce(target, caller, call)) as { access_token: string }
  const { cnf } = decodeJwt<{ cnf?: { 'x5t#S256'?: string } }>(token)
  if (decodeProtectedHeader(token).alg !== 'ES256' || cnf?.['x5t#S256'] === undefined) {
    throw new Error(`${target.address}:${target.port} minted a token that is not a bound ES256 JWT`)
  }
}
