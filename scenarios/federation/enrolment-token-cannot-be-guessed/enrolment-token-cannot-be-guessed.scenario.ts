import { randomBytes } from 'node:crypto'
import { expect, scenario } from 'holdfast/vitest'
import { Admin, federation, type Reply } from '../federation.ts'
import { expectLimited, expectNotEnrolled, expectRefused, storedOf } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)
const perAddress = 12
/** A lender that is as patient as it is for everybody else than tests. */
const flooded = scenario('federation', {
  env: { 'gateway-b/gateway': { GATEWAY_RATE_LIMIT_ENROLMENTS_PER_ADDRESS: String(perAddress) } },
}).extend('federation', federation)

const unknown = { status: 404, error: 'not_found', guard: 'enr.token-known', reason: 'token_unknown' }
const noRoute = { status: 404, error: 'not_found', guard: 'http.route', reason: 'route_unknown' }
const newToken = () => randomBytes(32).toString('hex')
/** What a caller can compare. */
const shapeOf = ({ status, body, headers, error }: Reply<unknown>) => ({
  status,
  body: body.replace(error!.requestId, ''),
  headers: headers.map(([name, value]) => (name === 'Date' ? name : `${name.toLowerCase()}: ${value}`)).sort(),
})

const guesses: readonly (readonly [what: string, of: (token: string) => string, refusal: typeof unknown])[] = [
  ['somebody else’s sixty-four digits', newToken, unknown],
  ['nothing but noughts', () => '0'.repeat(64), unknown],
  ['all but its last digit', (token) => token.slice(0, 63), unknown],
  ['its prefix alone', (token) => token.slice(0, 8), unknown],
  ['one digit more', (token) => `${token}0`, unknown],
  ['capitals', (token) => token.toUpperCase(), unknown],
  ['a blank before it', (token) => `%20${token}`, unknown],
  ['a blank behind it', (token) => `${token}%20`, unknown],
  ['a line end behind it', (token) => `${token}%0a`, unknown],
  ['a NUL behind it', (token) => `${token}%00`, unknown],
  ['a wildcard', (token) => `${token.slice(0, 63)}%25`, unknown],
  ['SQL', () => '%27%20OR%20%271%27=%271', unknown],
  ['a slash behind it', (token) => `${token}/`, noRoute],
  ['a detour', (token) => `../enrollment/${token}`, noRoute],
  ['a detour that is encoded', (token) => `%2e%2e/enrollment/${token}`, noRoute],
  ['an empty segment before it', (token) => `/${token}`, noRoute],
]

test.for(guesses)('FED-04: %s is not found, like anything else', async ([, of, refusal], { federation }) => {
  const invited = await federation.invite()
  const { request } = invited
  const before = await storedOf(federation, invited)

  const reply = await federation.redeem({ token: of(invited.token), request })
  if (refusal === unknown) await expectNotEnrolled(federation, reply, refusal, invited)
  else await expectRefused(federation, reply, refusal, { secrets: [invited.token] })
  expect(shapeOf(reply)).toEqual(shapeOf(await federation.redeem({ token: newToken(), request })))
  expect(await storedOf(federation, invited)).toEqual(before)
  expect((await federation.redeem(invited)).status).toBe(200)
})

flooded('FED-37: whoever guesses often has to wait, and nobody else has', async ({ federation }) => {
  const invited = await federation.invite()
  const { request } = invited
  let tried = 0
  let reply = await federation.redeem({ token: newToken(), request })
  for (; reply.status === 404 && tried < perAddress; tried += 1) {
    reply = await federation.redeem({ token: newToken(), request })
  }

  const limited = { status: 429, error: 'rate_limited', guard: 'enr.rate', reason: 'rate_enrolment' }
  await expectNotEnrolled(federation, reply, limited, invited)
  expectLimited(reply)

  // The good token as well, which is as fresh as before; and whoever says that he is somebody else is still the same.
  const before = await storedOf(federation, invited)
  await expectNotEnrolled(federation, await federation.redeem(invited), limited, invited)
  expect(await storedOf(federation, invited)).toEqual(before)
  const path = `/api/federation/enrollment/${invited.token}`
  const sent = { method: 'POST', path, json: { csrPem: request.csrPem } }
  const headers = [
    ['X-Forwarded-For', '203.0.113.7'],
    ['Forwarded', 'for=203.0.113.7'],
  ] as const
  const guesser = new Admin(await federation.endpoint('b', 'public', 'a'), '')
  await expectNotEnrolled(federation, await guesser.bare({ ...sent, headers }), limited, invited)
  // From the address of B itself.
  expect((await (await federation.asAdmin('b')).bare(sent)).status).toBe(200)
})
