import { expect, scenario } from 'holdfast/vitest'
import { fileOf, newToken, refusedStart, served } from '../starting.ts'

const test = scenario('bearer-cluster')

const FILE = 'HOLDFAST_CLUSTER_AUTH_TOKEN_FILE'
const VARIABLE = 'HOLDFAST_CLUSTER_AUTH_TOKEN'

const bad: readonly (readonly [what: string, args: readonly string[], env: Record<string, string>, name: RegExp])[] = [
  ['an empty flag', ['--auth-token', ''], {}, /source_empty.*--auth-token/],
  ['a flag that is too short', ['--auth-token', 'short'], {}, /token_malformed.*--auth-token/],
  ['a flag with a blank', ['--auth-token', 'a b'.repeat(20)], {}, /token_malformed.*--auth-token/],
  ['an empty variable', [], { [VARIABLE]: '' }, new RegExp(`source_empty.*${VARIABLE}`)],
  ['a variable of blanks', [], { [VARIABLE]: '   ' }, new RegExp(`source_empty.*${VARIABLE}`)],
  ['a variable with a sign', [], { [VARIABLE]: `${'a'.repeat(40)}!` }, new RegExp(`token_malformed.*${VARIABLE}`)],
  ['a variable that is too long', [], { [VARIABLE]: 'a'.repeat(513) }, new RegExp(`token_malformed.*${VARIABLE}`)],
]

test.for(bad)('%s', async ([, args, env, name], { site }) => {
  const good = newToken()
  const path = await fileOf(site, good)
  const { code, stderr, ms, isOpen } = await refusedStart(site, { args, env: { [FILE]: path, ...env } })

  expect(code, stderr).toBe(78)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stderr).toMatch(name)
  expect(isOpen).toBe(false)
  expect(site.measured('the start is refused', ms, site.bound(5_000))).toBeLessThan(site.bound(5_000))
  expect(stderr).not.toContain(good.slice(0, 12))
  for (const given of [...args, ...Object.values(env)])
    if (given.length > 20) expect(stderr).not.toContain(given.slice(0, 20))
})

test('without it the lower source does', async ({ site }) => {
  const good = newToken()
  await served(site, { env: { [FILE]: await fileOf(site, good) } }, async ({ status }) => {
    expect(await status('/v1/auth', good)).toBe(200)
  })
})
