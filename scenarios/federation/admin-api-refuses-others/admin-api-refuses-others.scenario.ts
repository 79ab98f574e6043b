import { randomBytes } from 'node:crypto'
import { expect, scenario } from 'holdfast/vitest'
import { Admin, AskingUser, federation } from '../federation.ts'
import { expectLimited, expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)
const perAddress = 4
/** A gateway that is less patient than it is with tests. */
const guessed = scenario('federation', {
  env: { 'gateway-b/gateway': { GATEWAY_RATE_LIMIT_AUTHENTICATIONS_PER_ADDRESS: String(perAddress) } },
}).extend('federation', federation)

const path = '/api/admin/federation/grants'
const users = '/api/admin/users'
const none = { status: 401, error: 'unauthorized', guard: 'api.token', reason: 'bearer_missing' }
const malformed = { status: 400, error: 'invalid_request', guard: 'api.carrier', reason: 'carrier_invalid' }
const invalid = (reason: string) => ({ status: 401, error: 'invalid_token', guard: 'api.token', reason })

type Lines = readonly (readonly [string, string])[]
const authorization = (...values: readonly string[]): Lines => values.map((value) => ['Authorization', value])

/** Both what reads and what writes. */
const asked = (name: string) => [
  { method: 'GET', path },
  { method: 'POST', path: users, json: { name } },
]

const carriers: readonly (readonly [what: string, of: (token: string) => Lines, refusal: typeof none])[] = [
  ['GEN-24: nothing', () => [], none],
  ['GEN-24: an empty header', () => authorization(''), none],
  ['GEN-24: another scheme', (token) => authorization(`Basic ${token}`), none],
  ['GEN-24: a scheme that begins alike', (token) => authorization(`BearerX ${token}`), none],
  ['GEN-24: the scheme alone', () => authorization('Bearer'), malformed],
  ['GEN-24: the scheme and a blank', () => authorization('Bearer '), malformed],
  ['GEN-24: two blanks', (token) => authorization(`Bearer  ${token}`), malformed],
  ['GEN-24: two tokens', (token) => authorization(`Bearer ${token} ${token}`), malformed],
  ['GEN-24: a list', (token) => authorization(`Bearer ${token}, Bearer ${token}`), malformed],
  ['GEN-28: a good header, then a bad one', (token) => authorization(`Bearer ${token}`, 'Bearer x'), malformed],
  ['GEN-28: a bad header, then a good one', (token) => authorization('Bearer x', `Bearer ${token}`), malformed],
  ['GEN-28: the same header twice', (token) => authorization(`Bearer ${token}`, `Bearer ${token}`), malformed],
  [
    'somebody else’s token',
    () => authorization(`Bearer ${randomBytes(32).toString('hex')}`),
    invalid('bearer_unknown'),
  ],
  ['a token and a digit', (token) => authorization(`Bearer ${token}0`), invalid('bearer_unknown')],
  ['a token but its end', (token) => authorization(`Bearer ${token.slice(0, -1)}`), invalid('bearer_unknown')],
]

test.for(carriers)('%s is refused', async ([, of, refusal], { federation }) => {
  const admin = await federation.asAdmin('b')
  const name = `user ${randomBytes(6).toString('hex')}`
  for (const one of asked(name)) {
    const reply = await admin.bare({ ...one, headers: of(admin.token) })
    await expectRefused(federation, reply, refusal, { secrets: [admin.token] })
    const challenge = refusal.error === 'invalid_token' ? /error="invalid_token"/ : /^Bearer realm="[^"]+"$/
    if (refusal.status === 401) expect(reply.header('www-authenticate')).toMatch(challenge)
  }
  await expectOnlyHeard(admin, name)
})

/** None of that has made the user; the same with the token as it should be does. */
async function expectOnlyHeard(admin: Admin, name: string): Promise<void> {
  const names = async () => (await admin.ask('user:list')).items.map((user) => user.name)
  expect(await names()).not.toContain(name)
  const statuses: (number | null)[] = []
  for (const one of asked(name)) {
    statuses.push((await admin.bare({ ...one, headers: authorization(`Bearer ${admin.token}`) })).status)
  }
  expect(statuses).toEqual([200, 201])
  expect(await names()).toContain(name)
}

test.for([
  ['alone', false],
  ['beside a good header', true],
] as const)('GEN-27: a token in the query, %s, is refused', async ([, isBeside], { federation }) => {
  const admin = await federation.asAdmin('b')
  const headers = isBeside ? authorization(`Bearer ${admin.token}`) : []
  const reply = await admin.bare({ method: 'GET', path: `${path}?access_token=${admin.token}`, headers })

  await expectRefused(federation, reply, malformed, { secrets: [admin.token] })
  expect((await admin.get(path)).status).toBe(200)
})

test('GEN-27: a token in a form is refused', async ({ federation }) => {
  const admin = await federation.asAdmin('b')
  const form = [['Content-Type', 'application/x-www-form-urlencoded']] as const
  for (const headers of [form, [...form, ...authorization(`Bearer ${admin.token}`)]]) {
    const reply = await admin.bare({ method: 'POST', path, body: `access_token=${admin.token}`, headers })
    await expectRefused(federation, reply, malformed, { secrets: [admin.token] })
  }
  // One in a body of JSON is no token at all.
  const reply = await admin.bare({ method: 'POST', path, json: { access_token: admin.token } })
  await expectRefused(federation, reply, none, { secrets: [admin.token] })
})

test('a token whose time is over, and one that was withdrawn, are refused', async ({ federation }) => {
  const operator = await federation.asOperator('b')
  const tenantId = federation.seed('b').tenant('acme').id
  const brief = await operator.ask('admin:token', { body: { name: 'for a second', tenantId, lifetimeSeconds: 2 } })
  const other = await operator.ask('admin:token', { body: { name: 'to be withdrawn', tenantId } })
  const by = ({ token }: { token: string }) =>
    operator.bare({ method: 'GET', path, headers: authorization(`Bearer ${token}`) })

  expect((await by(other)).status).toBe(200)
  await operator.ask('admin:withdraw', { parameters: { id: other.id } })
  await expectRefused(federation, await by(other), invalid('bearer_withdrawn'), { secrets: [other.token] })
  const isOver = async () => (await by(brief)).status !== 200
  await federation.site.until('the token to be over', isOver, { withinMs: 10_000 })
  await expectRefused(federation, await by(brief), invalid('bearer_expired'), { secrets: [brief.token] })
})

test('a user is no administrator, and an administrator no user', async ({ federation }) => {
  const [admin, user] = [await federation.asAdmin('b'), await federation.asUser('b', 'alice')]

  await expectRefused(federation, await user.get(path), invalid('bearer_wrong_kind'), { secrets: [user.token] })
  expect((await user.list('tasks')).status).toBe(200)
  const asking = await admin.post('/api/query/list/tasks', {})
  await expectRefused(federation, asking, invalid('bearer_wrong_kind'), { secrets: [admin.token] })
  expect((await admin.get(path)).status).toBe(200)
})

test('what is for operators is not for the administrator of a tenant', async ({ federation }) => {
  const [admin, operator] = [await federation.asAdmin('b'), await federation.asOperator('b')]
  const body = { name: `test ${randomBytes(6).toString('hex')}`, tenantId: federation.seed('b').tenant('acme').id }

  const reply = await admin.try('admin:token', { body })
  await expectRefused(federation, reply, {
    ...{ status: 403, error: 'forbidden', guard: 'api.role', reason: 'operator_only' },
  })
  const { id } = await operator.ask('admin:token', { body })
  expect((await admin.try('admin:withdraw', { parameters: { id } })).status).toBe(403)
  expect((await operator.try('admin:withdraw', { parameters: { id } })).status).toBe(200)
})

guessed('whoever tries tokens has to wait, with a good one as well, and nobody else has', async ({ federation }) => {
  const [admin, user] = [await federation.asAdmin('b'), await federation.asUser('b', 'alice')]
  const there = await federation.endpoint('b', 'public', 'a')
  const guess = () => new Admin(there, randomBytes(32).toString('hex')).get(path)
  for (let tried = 0; tried < perAddress; tried += 1) {
    await expectRefused(federation, await guess(), invalid('bearer_unknown'))
  }

  const limited = { status: 429, error: 'rate_limited', guard: 'api.rate', reason: 'rate_authentication' }
  const [adminThere, userThere] = [new Admin(there, admin.token), new AskingUser(there, user.token)]
  const name = `user ${randomBytes(6).toString('hex')}`
  const elsewhere = [...authorization(`Bearer ${admin.token}`), ['X-Forwarded-For', '203.0.113.7'] as const]
  for (const reply of [
    await guess(),
    await adminThere.get(path),
    await adminThere.post(users, { name }),
    await adminThere.bare({ method: 'GET', path, headers: elsewhere }),
    await userThere.list('tasks'),
  ]) {
    await expectRefused(federation, reply, limited, { secrets: [admin.token, user.token] })
    expectLimited(reply)
  }
  // Who they are from the address of B itself, they are there as before.
  expect((await user.list('tasks')).status).toBe(200)
  await expectOnlyHeard(admin, name)
})
