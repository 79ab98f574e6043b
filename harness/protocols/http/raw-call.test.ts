import { afterEach, beforeEach, expect, test } from 'vitest'
import { issueLeaf } from '../../pki/authority.ts'
import { inTwoSegments } from '../tls/handshake.ts'
import '../../vitest/matchers.ts'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import type { FakeSite } from '../../site/testing/fake-site.ts'
import { type FakeScenario, fakeScenario } from '../../site/testing/fake-site.ts'

const mismatch = { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch' }
let fake: FakeSite
let site: ScenarioSite
let scenario: FakeScenario

beforeEach(async () => {
  scenario = await fakeScenario()
  ;({ fake, site } = scenario)
})
afterEach(() => scenario[Symbol.asyncDispose]())

const other = () => issueLeaf({ authority: fake.authority, subject: 'c.test', sans: ['c.test'] })
const attack = () => fake.right().withCertificate(other)
const call = (...[credential, options]: [Parameters<ScenarioSite['call']>[3], Parameters<ScenarioSite['call']>[4]]) =>
  site.call('b', 'b', 'b:read', credential, { timeoutMs: 2_000, ...options })
const open = (text: string) => text.replace('Connection: close', 'Connection: keep-alive')

test('bytes are judged like any other call', async () => {
  const raw = { bytes: (text: string) => [text] }
  expect(await call(fake.right(), { raw })).toBeAccepted()
  expect(await call(attack(), { raw })).toBeRefused(mismatch)
})

test('the plain call is the control of bytes that are attacked', async () => {
  const raw = { bytes: (text: string) => [text.replace(/^Authorization: .+\r\n/m, '')] }
  const verdict = await call(fake.right(), { raw })
  expect(verdict).toBeRefused({ status: 401, reason: 'token_missing' })
  expect(verdict.control).toMatchObject({ accepted: true, element: 'wire' })
})

test('a second request that is read behind a refused one is noticed', async () => {
  const raw = { bytes: (text: string) => [open(text) + text] }
  const verdict = await call(attack(), { raw })
  expect(() => expect(verdict).toBeRefused(mismatch)).toThrow('2 answers came, expected one at most')
})

test('a connection that is left open behind a refusal is noticed', async () => {
  const raw = { bytes: (text: string) => [open(text)] }
  const verdict = await call(attack(), { raw, timeoutMs: 300 })
  expect(() => expect(verdict).toBeRefused(mismatch)).toThrow('the connection was left open')
})

test('a call after another one over the same connection is judged by itself', async () => {
  const verdict = await call(fake.right().withoutToken(), { first: fake.right() })
  expect(verdict).toBeRefused({ status: 401, reason: 'token_missing' })
  expect(verdict.decisions).toHaveLength(1)
  expect(await site.decisions('b', { conn: verdict.conn })).toHaveLength(2)
})

test('what goes first must be accepted', async () => {
  await expect(call(attack(), { first: fake.right() })).rejects.toThrow('did not accept the call that went first')
})

test('where each connection ends with its answer, nothing is said over one again, and that is told', async () => {
  fake.flaws.closes = true
  await expect(call(fake.right().withoutToken(), { first: fake.right() })).rejects.toMatchObject({
    code: 'HOLDFAST_CONNECTION_NOT_KEPT',
    message: expect.stringContaining('ends each connection after one answer'),
  })
})

test('an odd handshake is judged like any other', async () => {
  const handshake = { version: 'TLSv1.2', firstFlight: inTwoSegments } as const
  expect(await call(fake.right(), { handshake })).toBeAccepted()
  expect(await call(attack(), { handshake })).toBeRefused(mismatch)
})
