import { expect, misbindings, mutateClaims, scenario } from 'holdfast/vitest'

// The auth server itself never mints such tokens, so they are forged with its key. Introspection knows them not: only local
// validation lets the control in, and so shows that nothing but the binding is wrong.
const test = scenario('shared-auth', { set: { validation: 'jwks' } })

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

test('a token that is forged with the right binding is accepted', async ({ site, credential }) => {
  const key = await site.signingKey('auth')
  const forged = credential('node-b').withToken((token) => mutateClaims(token, key, (claims) => claims), 'forged')

  expect(await site.call('node-b', 'node-a', 'peering:connect', forged)).toBeAccepted()
})

test.for(Object.entries(misbindings))('%s', async ([name, misbinding], { site, credential }) => {
  const key = await site.signingKey('auth')
  const right = credential('node-b')
  const forged = right.withToken((token) => mutateClaims(token, key, (claims) => claims), 'forged')
  const { certPem } = await right.identity()
  const misbound = forged.withToken((token) => mutateClaims(token, key, misbinding(certPem)), name)

  expect(await site.call('node-b', 'node-a', 'peering:connect', misbound)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: reasons[name] ?? 'cnf_malformed',
    guard: 'token.binding',
  })
})
