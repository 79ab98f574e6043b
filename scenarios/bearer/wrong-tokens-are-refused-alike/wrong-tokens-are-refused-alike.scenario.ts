import { expect, scenario } from 'holdfast/vitest'
import { askAll } from '../asking.ts'
import { leaderOf, pictureOf, tokenOf } from '../cluster.ts'

const test = scenario('bearer-cluster')

const unknown = { status: 401, challenge: 'Bearer realm="holdfast", error="invalid_token"', reason: 'token_unknown' }
const malformed = {
  status: 400,
  challenge: 'Bearer realm="holdfast", error="invalid_request"',
  reason: 'carrier_malformed',
}

const wrong: readonly (readonly [name: string, of: (token: string) => string, typeof unknown])[] = [
  ['its first half', (token) => token.slice(0, 32), unknown],
  ['its last half', (token) => token.slice(-32), unknown],
  ['one character more', (token) => `${token}0`, unknown],
  ['one character less', (token) => token.slice(0, -1), unknown],
  ['in another case', (token) => token.toUpperCase(), unknown],
  ['with another last character', (token) => token.slice(0, -1) + (token.endsWith('0') ? '1' : '0'), unknown],
  ['twice', (token) => token + token, unknown],
  ['600 characters', () => 'a'.repeat(600), unknown],
  ['an 8-bit byte', () => '\xff', malformed],
  ['one 8-bit byte in it', (token) => `${token.slice(0, 20)}\xe9${token.slice(21)}`, malformed],
  ['a blank in it', (token) => `${token.slice(0, 20)} ${token.slice(20)}`, malformed],
  ['quoted', (token) => `"${token}"`, malformed],
  ['with a sign before its end', (token) => `${token}=x`, malformed],
]

test('each is refused as what it is, and nothing of what is right is told', async ({ site }) => {
  const to = await leaderOf(site)
  const token = await tokenOf(site)
  const before = await pictureOf(site)
  const replies = await askAll(
    site,
    wrong.map(([, of]) => ({ to, path: '/v1/auth', token: of(token) })),
  )
  for (const [at, [name, , { status, challenge, reason }]] of wrong.entries()) {
    const reply = replies[at]!
    expect({ status: reply.status, challenge: reply.headers['www-authenticate'] }, name).toEqual({ status, challenge })
    expect(reply.body, name).not.toContain(token.slice(0, 8))
    const records = await site.decisions(to, { conn: reply.conn })
    expect(
      records.map((one) => [one.verdict, one.reason]),
      name,
    ).toEqual([['refused', reason]])
    expect(JSON.stringify(records), name).not.toContain(token.slice(0, 12))
  }
  expect(await pictureOf(site)).toEqual(before)
  const [right] = await askAll(site, [{ to, path: '/v1/auth', token }])
  expect(right!.status).toBe(200)
})

test('a header that is longer than any is meant to be ends with 431, and the next caller is served', async ({
  site,
}) => {
  const to = await leaderOf(site)
  const token = await tokenOf(site)
  const [long, right] = await askAll(site, [
    { to, path: '/v1/auth', token: 'a'.repeat(20 * 1024) },
    { to, path: '/v1/auth', token },
  ])
  expect([long!.status, right!.status]).toEqual([431, 200])
})
