import { expect, inspectToken, misbindings, mutateClaims, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('./another-mint.ts')

const refused = (reason: string) => ({ status: 401, error: 'invalid_token', reason })

/** What a node gives as reason; the same as for tokens of our own auth server. */
const reasons: Readonly<Record<string, string>> = {
  withoutCnf: 'cnf_missing',
  cnfNull: 'cnf_missing',
  cnfSha1: 'cnf_missing',
  cnfOtherMember: 'cnf_missing',
  cfn: 'cnf_missing',
  extCnf: 'cnf_missing',
  cnfUpperCased: 'cnf_x5t_mismatch',
  cnfOfSpki: 'cnf_x5t_mismatch',
  cnfOfPem: 'cnf_x5t_mismatch',
  cnfOfChain: 'cnf_x5t_mismatch',
}

/** What node-a asks for at the token endpoint of the other mint. */
const wanted = {
  grant_type: 'client_credentials',
  client_id: 'node-a',
  scope: 'peer:connect peer:announce',
  resource: 'https://node-b.somebiz.local.io',
}

test('two nodes peer, each with a token of the other side’s mint, one of which is not ours', async ({ site }) => {
  expect(await connected(site, 'node-a', 'node-b')).toBe(true)
  expect(await connected(site, 'node-b', 'node-a')).toBe(true)
})

test('a token from its own token endpoint is bound, and accepted', async ({ site, credential }) => {
  const own = credential('cert-node-a')
  const verdict = await site.call('node-a', 'mint-b', 'token:request', own, { form: wanted })
  expect(verdict).toBeAccepted()

  const { access_token: token } = verdict.json as { access_token: string }
  expect(inspectToken(token)?.thumbprint).toBe(await own.thumbprint())
  const bearing = own.withToken(token, 'with a token of the endpoint')
  expect(await site.call('node-a', 'node-b', 'peering:connect', bearing)).toBeAccepted()
})

test('its token endpoint knows a client by its certificate only', async ({ site, credential }) => {
  const own = credential('cert-node-a')
  const unknown = { status: 401, error: 'invalid_client', reason: 'its own', proof: 'status alone' } as const
  const ask = (by: typeof own) => site.call('node-a', 'mint-b', 'token:request', by, { form: wanted })

  expect(await ask(own)).toBeAccepted()
  expect(await ask(own.withoutCertificate())).toBeRefused(unknown)
  expect(await ask(own.over(credential('cert-node-b')))).toBeRefused(unknown)
})

test('over another certificate, or none, its token is refused', async ({ site, credential }) => {
  const right = credential('peer-a-to-b')
  const connect = (with_: typeof right) => site.call('node-a', 'node-b', 'peering:connect', with_)

  expect(await connect(right)).toBeAccepted()
  expect(await connect(right.over(credential('cert-node-b')))).toBeRefused(refused('cnf_x5t_mismatch'))
  expect(await connect(right.withoutCertificate())).toBeRefused({ reason: 'cert_missing' })
})

test('where another issuer is believed, its token is refused', async ({ site, credential }) => {
  const atHome = credential('node-b')

  expect(await site.call('node-b', 'node-b', 'node:read', atHome)).toBeAccepted()
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()
  expect(
    await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a').withTokenOf(atHome)),
  ).toBeRefused(refused('issuer_untrusted'))
})

test('for somebody else, or by another key, its token is refused', async ({ site, credential }) => {
  const right = credential('peer-a-to-b')
  const [key, foreign] = [await site.signingKey('mint-b'), await site.signingKey('auth-a')]
  const forged = right.withToken((token) => mutateClaims(token, key, (claims) => claims), 'forged')
  const connect = (with_: typeof right) => site.call('node-a', 'node-b', 'peering:connect', with_)

  expect(await connect(forged)).toBeAccepted()
  const elsewhere = (claims: object) => ({ ...claims, aud: 'https://node-c.somebiz.local.io' })
  expect(
    await connect(forged.withToken((token) => mutateClaims(token, key, elsewhere), 'for another node')),
  ).toBeRefused(refused('audience_mismatch'))
  expect(
    await connect(forged.withToken((token) => mutateClaims(token, foreign, (claims) => claims), 'by another key')),
  ).toBeRefused(refused('signature_invalid'))
})

test.for(Object.entries(misbindings))(
  'misbound, its token is refused: %s',
  async ([name, misbinding], { site, credential }) => {
    const key = await site.signingKey('mint-b')
    const right = credential('peer-a-to-b')
    const forged = right.withToken((token) => mutateClaims(token, key, (claims) => claims), 'forged')
    const { certPem } = await right.identity()
    const misbound = forged.withToken((token) => mutateClaims(token, key, misbinding(certPem)), name)

    expect(await site.call('node-a', 'node-b', 'peering:connect', misbound)).toBeRefused(
      refused(reasons[name] ?? 'cnf_malformed'),
    )
  },
)

async function connected(site: ScenarioSite, node: string, peer: string): Promise<boolean> {
  const state = async () => {
    const { peers } = (await site.operator(node).get('/v1/state')).json as { peers: { name: string; state: string }[] }
    return peers.find(({ name }) => name === peer)?.state === 'connected'
  }
  return site.until(`${node} is connected with ${peer}`, state, { withinMs: 10_000 })
}
