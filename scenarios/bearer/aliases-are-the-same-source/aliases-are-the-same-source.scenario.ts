import { expect, scenario } from 'holdfast/vitest'
import { fileOf, newToken, refusedStart, served } from '../starting.ts'

const test = scenario('bearer-cluster')

const names = { file: 'HOLDFAST_CLUSTER_AUTH_TOKEN_FILE', variable: 'HOLDFAST_CLUSTER_AUTH_TOKEN' }
const aliases = { file: 'RINGRIFT_CLUSTER_AUTH_TOKEN_FILE', variable: 'RINGRIFT_CLUSTER_AUTH_TOKEN' }

test('the alias alone, or both with one value, is that source', async ({ site }) => {
  const token = newToken()
  const path = await fileOf(site, token)
  const all: Record<string, string>[] = [
    { [aliases.variable]: token },
    { [aliases.file]: path },
    { [names.variable]: token, [aliases.variable]: token },
    { [names.file]: path, [aliases.file]: path },
  ]
  for (const env of all) {
    await served(site, { env, args: ['--require-auth'] }, async ({ status }) => {
      expect(await status('/v1/auth', token)).toBe(200)
      expect(await status('/v1/auth', newToken())).toBe(401)
    })
  }
})

test('both with two values is no start', async ({ site }) => {
  const [one, other] = [newToken(), newToken()]
  const { code, stderr, isOpen } = await refusedStart(site, {
    env: { [names.variable]: one, [aliases.variable]: other },
  })
  expect(code, stderr).toBe(78)
  expect(stderr).toContain('alias_conflict')
  expect(stderr).toContain(aliases.variable)
  expect(isOpen).toBe(false)
  for (const token of [one, other]) expect(stderr).not.toContain(token.slice(0, 12))
})

test('a name that looks alike is no source, which is said', async ({ site }) => {
  const token = newToken()
  const alike = { RINGRIFT_P2P_AUTH_TOKEN: token }
  const refused = await refusedStart(site, { env: alike, args: ['--require-auth'] })
  expect(refused.code, refused.stderr).toBe(78)
  expect(refused.stderr).toContain('token_required')

  const own = newToken()
  const printed = await served(site, { env: { ...alike, [names.variable]: own } }, async ({ status }) => {
    expect([await status('/v1/auth', own), await status('/v1/auth', token)]).toEqual([200, 401])
  })
  expect(printed).toContain('RINGRIFT_P2P_AUTH_TOKEN')
  expect(printed).not.toContain(token.slice(0, 12))
})
