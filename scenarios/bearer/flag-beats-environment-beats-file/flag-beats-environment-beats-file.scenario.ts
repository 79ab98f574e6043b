import { expect, scenario } from 'holdfast/vitest'
import { fileOf, newToken, type Started, served } from '../starting.ts'

const test = scenario('bearer-cluster')

const FILE = 'HOLDFAST_CLUSTER_AUTH_TOKEN_FILE'
const VARIABLE = 'HOLDFAST_CLUSTER_AUTH_TOKEN'

test('the flag beats the variable, and that the file; the others are named', async ({ site }) => {
  const [flag, variable, file] = [newToken(), newToken(), newToken()]
  const path = await fileOf(site, file)
  const sources: readonly { started: Started; works: string; ignored: readonly string[] }[] = [
    {
      started: { args: ['--auth-token', flag], env: { [VARIABLE]: variable, [FILE]: path } },
      works: flag,
      ignored: [VARIABLE, FILE],
    },
    { started: { env: { [VARIABLE]: variable, [FILE]: path } }, works: variable, ignored: [FILE] },
    { started: { env: { [FILE]: path } }, works: file, ignored: [] },
  ]
  for (const { started, works, ignored } of sources) {
    const printed = await served(site, started, async ({ status }) => {
      const answers = await Promise.all([flag, variable, file].map((token) => status('/v1/auth', token)))
      expect(answers).toEqual([flag, variable, file].map((token) => (token === works ? 200 : 401)))
      expect(await status('/v1/auth')).toBe(401)
    })
    for (const name of ignored) expect(printed).toContain(name)
    for (const token of [flag, variable, file]) expect(printed).not.toContain(token.slice(0, 12))
  }
})

test('a source that is not read need not even be there', async ({ site }) => {
  const token = newToken()
  await served(site, { env: { [VARIABLE]: token, [FILE]: '/nowhere/token' } }, async ({ status }) => {
    expect(await status('/v1/auth', token)).toBe(200)
  })
})
