import { expect, scenario } from 'holdfast/vitest'
import { askAll } from '../asking.ts'
import { pictureOf, tokenOf } from '../cluster.ts'

const test = scenario('bearer-cluster')

const spellings = [
  '//v1/auth',
  '/v1//auth',
  '/v1/%61uth',
  '/%76%31/auth',
  '/v1/auth;x',
  '/v1/auth/',
  '/v1/AUTH',
  '/V1/auth',
  '/v1/./auth',
  '/healthz/../v1/auth',
  '/v1/status/../auth',
  '/healthz/%2e%2e/v1/auth',
  '/v1/auth%00',
  '/v1/auth%20',
  '/v1/auth.json',
  '/healthz/',
  '/HEALTHZ',
  '/healthz;x=1',
  '/healthz%2f',
  '/v1/status/',
]
const rewriting = ['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri', 'X-Original-Uri'].map(
  (name) => [name, '/healthz'] as const,
)

test.for(['orc-1', 'orc-3'])('%s wants the token first', async (to, { site }) => {
  const before = await pictureOf(site)
  const replies = await askAll(
    site,
    spellings.map((path) => ({ to, path })),
    { atOnce: 4 },
  )
  expect(spellings.filter((_, at) => replies[at]!.status !== 401)).toEqual([])
  expect(new Set(replies.map(({ headers }) => headers['www-authenticate']))).toEqual(
    new Set(['Bearer realm="holdfast"']),
  )
  for (const { conn } of replies) {
    expect((await site.decisions(to, { conn })).map(({ reason }) => reason)).toEqual(['credential_missing'])
  }
  // With it they are what they are: nothing.
  const token = await tokenOf(site)
  const having = await askAll(
    site,
    [...spellings, '/v1/auth'].map((path) => ({ to, path, token })),
    { atOnce: 4 },
  )
  expect(having.map(({ status }) => status)).toEqual([...spellings.map(() => 404), 200])
  expect(await pictureOf(site)).toEqual(before)
})

test('a header that names an open path opens no other one', async ({ site }) => {
  const asked = ['/v1/auth', '/v1/pipeline/run'].flatMap((path) =>
    rewriting.map((line) => ({ to: 'orc-1', path, method: path.endsWith('run') ? 'POST' : 'GET', headers: [line] })),
  )
  const replies = await askAll(site, asked)
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]))
})

test('nginx, which normalises what it compares, hands paths on as they came', async ({ site }) => {
  const token = await tokenOf(site)
  // Some it refuses itself.
  const passed = spellings.filter((path) => !/%00/.test(path))
  const asked = passed.map((path) => ({ to: 'orc-3', through: 'edge' as const, path }))
  const without = await askAll(site, asked, { atOnce: 2 })
  expect(passed.filter((_, at) => ![400, 401].includes(without[at]!.status ?? 0))).toEqual([])
  const having = await askAll(
    site,
    [...asked, { ...asked[0]!, path: '/v1/auth' }].map((one) => ({ ...one, token })),
  )
  expect(passed.filter((_, at) => ![400, 404].includes(having[at]!.status ?? 0))).toEqual([])
  expect(having.at(-1)!.status).toBe(200)
})
