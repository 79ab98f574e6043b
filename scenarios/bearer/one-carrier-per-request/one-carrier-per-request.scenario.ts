import { expect, scenario } from 'holdfast/vitest'
import { type Asking, askAll } from '../asking.ts'
import { tokenOf } from '../cluster.ts'

const test = scenario('bearer-cluster')

const path = '/v1/auth'
type Line = readonly [string, string]

const bad = { status: 400, challenge: 'Bearer realm="holdfast", error="invalid_request"' }
const nothing = { status: 401, challenge: 'Bearer realm="holdfast"' }

type Row = readonly [what: string, expected: typeof bad, reason: string, asked: (token: string) => Omit<Asking, 'to'>]
const lines =
  (...of: ((token: string) => Line)[]) =>
  (token: string) => ({ path, headers: of.map((line) => line(token)) })
const bearer = (token: string): Line => ['Authorization', `Bearer ${token}`]

const rows: readonly Row[] = [
  ['the same header twice', bad, 'carrier_repeated', lines(bearer, bearer)],
  [
    'two headers, the second one wrong',
    bad,
    'carrier_repeated',
    lines(bearer, () => ['Authorization', 'Bearer abcdefgh']),
  ],
  ['a header and a query', bad, 'carrier_in_query', (token) => ({ path: `${path}?access_token=${token}`, token })],
  ['a query alone', bad, 'carrier_in_query', (token) => ({ path: `${path}?access_token=${token}` })],
  [
    'a query on a route that is open',
    bad,
    'carrier_in_query',
    (token) => ({ path: `/v1/status?access_token=${token}` }),
  ],
  [
    'a form',
    bad,
    'carrier_in_query',
    (token) => ({
      ...{ path: '/v1/pipeline/run', method: 'POST', body: `access_token=${token}` },
      headers: [['Content-Type', 'application/x-www-form-urlencoded']],
    }),
  ],
  ['no token behind the scheme', bad, 'carrier_malformed', lines(() => ['Authorization', 'Bearer'])],
  [
    'two tokens behind the scheme',
    bad,
    'carrier_malformed',
    lines((token) => ['Authorization', `Bearer ${token} ${token}`]),
  ],
  ['a comma behind the token', bad, 'carrier_malformed', lines((token) => ['Authorization', `Bearer ${token},`])],
  ['a tab for the space', bad, 'carrier_malformed', lines((token) => ['Authorization', `Bearer\t${token}`])],
  ['another scheme', nothing, 'credential_missing', lines((token) => ['Authorization', `Basic ${token}`])],
  [
    'a scheme that begins alike',
    nothing,
    'credential_missing',
    lines((token) => ['Authorization', `Bearerx ${token}`]),
  ],
  ['the token without a scheme', nothing, 'credential_missing', lines((token) => ['Authorization', token])],
  ['a cookie', nothing, 'credential_missing', lines((token) => ['Cookie', `access_token=${token}`])],
  ['a header that is not configured', nothing, 'credential_missing', lines((token) => ['X-RingRift-Auth', token])],
  ['a header of a proxy', nothing, 'credential_missing', lines((token) => ['Proxy-Authorization', `Bearer ${token}`])],
  [
    'JSON',
    nothing,
    'credential_missing',
    (token) => ({ path: '/v1/pipeline/run', method: 'POST', json: { access_token: token } }),
  ],
]

test.for(rows)('%s is refused', async ([, expected, reason, asked], { site }) => {
  const token = await tokenOf(site)
  const [right, tried] = await askAll(site, [
    { to: 'orc-1', path, token },
    { to: 'orc-1', ...asked(token) },
  ])
  expect(right!.status).toBe(200)
  expect({ status: tried!.status, challenge: tried!.headers['www-authenticate'] }).toEqual(expected)
  const records = await site.decisions('orc-1', { conn: tried!.conn })
  expect(records.map((one) => [one.verdict, one.reason])).toEqual([['refused', reason]])
})

test('the scheme is one in any case, and any spaces follow it', async ({ site }) => {
  const token = await tokenOf(site)
  const schemes = ['Bearer ', 'bearer ', 'BEARER   ', 'bEaReR ']
  const replies = await askAll(
    site,
    schemes.map((scheme) => ({ to: 'orc-1', path, headers: [['Authorization', `${scheme}${token}`] as const] })),
  )
  expect(replies.map(({ status }) => status)).toEqual(schemes.map(() => 200))
})
