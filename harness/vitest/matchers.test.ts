import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { issueLeaf, rogueAuthority } from '../pki/authority.ts'
import { callParts } from '../shipped.ts'
import { failureSummary, NoPositiveControl } from '../site/evidence-text.ts'
import { ScenarioSite } from '../site/scenario-site.ts'
import { type FakeScenario, type FakeSite, type Flaws, fakeKnowledge, fakeScenario } from '../site/testing/fake-site.ts'
import { NegatedMatcher, NoVerdict } from './matchers.ts'

const mismatch = { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch' }
let folder: string
let fake: FakeSite
let site: ScenarioSite
let scenario: FakeScenario

beforeEach(async () => {
  scenario = await fakeScenario()
  ;({ folder, fake, site } = scenario)
})
afterEach(() => scenario[Symbol.asyncDispose]())

const other = () => issueLeaf({ authority: fake.authority, subject: 'c.test', sans: ['c.test'] })
const attack = () => fake.right().withCertificate(other)
const call = (credential = attack()) => site.call('b', 'b', 'b:read', credential)

test('a call is accepted when caller and far end say so', async () => {
  expect(await call(fake.right())).toBeAccepted()
})

test('that something did not happen is no statement', async () => {
  const [good, bad] = [await call(fake.right()), await call()]
  expect(() => expect(bad).not.toBeAccepted()).toThrow(NegatedMatcher)
  expect(() => expect(good).not.toBeRefused(mismatch)).toThrow(NegatedMatcher)
})

test('a promise, or anything else that is no verdict, is named', async () => {
  expect(() => expect(call()).toBeRefused(mismatch)).toThrow(
    'this is a promise: write expect(await site.call(…)).toBeRefused({ … })',
  )
  expect(() => expect(undefined).toBeAccepted()).toThrow(NoVerdict)
})

test('a derived credential brings its positive control along', async () => {
  const verdict = await call()
  expect(verdict).toBeRefused(mismatch)
  expect(verdict.control).toMatchObject({ accepted: true, credential: 'right' })
  expect(site.ledger.map((one) => one.verdict.verdict)).toEqual(['accepted', 'refused'])
})

test('an accept beside a refusal is that of the login which the protocol has before it, and no other', async () => {
  const verdict = await call()
  const [refusal] = verdict.decisions
  const accept = (action: string) => ({ ...refusal!, action, verdict: 'accepted', reason: null, guard: null }) as const
  const recorded = (letInBy: string | undefined, ...decisions: (typeof verdict.decisions)[number][]) => {
    return { ...verdict, letInBy, decisions }
  }
  expect(recorded('b:login', accept('b:login'), refusal!)).toBeRefused(mismatch)
  for (const one of [
    recorded(undefined, accept('b:login'), refusal!),
    recorded('b:login', accept('b:other'), refusal!),
    recorded('b:login', accept(refusal!.action), refusal!),
    recorded('b:login', refusal!, accept('b:login')),
    recorded('b:login', accept('b:login'), accept('b:login'), refusal!),
  ]) {
    expect(() => expect(one).toBeRefused(mismatch)).toThrow('also recorded an accept')
  }
})

test('a refusal at TLS is found in the log of the far end', async () => {
  expect(await call(fake.right().withoutCertificate())).toBeRefused({ layer: 'tls', reason: 'cert_missing' })
  const foreign = await rogueAuthority()
  const untrusted = fake
    .right()
    .withCertificate(() => issueLeaf({ authority: foreign, subject: 'a.test', sans: ['a.test'] }))
  expect(await call(untrusted)).toBeRefused({ layer: 'tls', reason: 'cert_untrusted' })
})

test('without token there is a challenge and no error code', async () => {
  expect(await call(fake.right().withoutToken())).toBeRefused({ status: 401, reason: 'token_missing' })
})

test('an attack on the carrier is compared with the plain call', async () => {
  const headers = [['Authorization', 'Basic x']] as const
  const verdict = await site.call('b', 'b', 'b:read', fake.right(), { headers })
  expect(verdict).toBeRefused({ status: 401, reason: 'token_missing' })
  expect(verdict.control).toMatchObject({ accepted: true, element: 'headers' })
})

test('a refusal without positive control fails, and says how to write one', async () => {
  const verdict = await call(await alone())
  expect(() => expect(verdict).toBeRefused(mismatch)).toThrow(NoPositiveControl)
  expect(() => expect(verdict).toBeRefused(mismatch)).toThrow("site.call('b', 'b', 'b:read', credential('operator'))")
})

test('a control that was recorded earlier counts when one element differs, and not when two do', async () => {
  expect(await call(fake.right())).toBeAccepted()
  const holderToken = await fake.tokenFor(fake.holder)
  const control = await call(await alone({ token: holderToken }))
  expect(() => expect(control).toBeRefused(mismatch)).toThrow(NoPositiveControl)
  const { certificate } = await fake.right().presented()
  const sameCertificate = await call(await alone({ certificate, token: await fake.tokenFor(await other()) }))
  expect(sameCertificate).toBeRefused(mismatch)
})

test('a node that refuses everybody proves nothing', async () => {
  fake.flaws.refusesAll = true
  const verdict = await call()
  expect(() => expect(verdict).toBeRefused(mismatch)).toThrow(NoPositiveControl)
  expect(verdict.control).toMatchObject({ accepted: false })
})

test.each<[Exclude<keyof Flaws, 'asEndpoint'>, string]>([
  ['acceptsAll', 'received  accepted 200'],
  ['silent', 'b recorded nothing'],
  ['effect', 'the refused call changed b: /state.effects was 0, and is 1'],
  ['leak', 'b wrote down a secret that begins with eyJ'],
  ['echo', 'the answer holds a secret that begins with eyJ'],
  ['unobservable', 'whether it changed b could not be observed: '],
  ['oracle', 'the body holds a stack trace'],
  ['namesNobody', 'the record names nobody as proven'],
  ['liesAboutPrincipal', `the record holds x5t#S256 ${'A'.repeat(43)} as proven`],
])('a target that is wrong (%s) is noticed', { timeout: 20_000 }, async (flaw, message) => {
  fake.flaws[flaw] = true
  const verdict = await call()
  expect(() => expect(verdict).toBeRefused(mismatch)).toThrow(message)
})

test('a refusal that comes late is noticed', async () => {
  const verdict = await call()
  expect({ ...verdict, ms: 5_000 }).toBeRefused(mismatch)
  expect(() => expect({ ...verdict, ms: 5_001 }).toBeRefused(mismatch)).toThrow('it took 5001 ms, the bound is 5000 ms')
  expect({ ...verdict, ms: 5_001 }).toBeRefused({ ...mismatch, withinMs: 6_000 })
  expect(() => expect({ ...verdict, ms: 51 }).toBeRefused({ ...mismatch, withinMs: 50 })).toThrow('within 50 ms')
})

test('an OAuth endpoint that lets its refusal be cached is noticed', async () => {
  const refused = {
    ...{ status: 401, error: 'invalid_client', reason: 'cnf_x5t_mismatch' },
    wwwAuthenticate: 'none' as const,
  }
  fake.flaws.asEndpoint = 'private, max-age=60'
  const verdict = await call()
  expect(() => expect(verdict).toBeRefused(refused)).toThrow('Cache-Control is private, max-age=60, expected no-store')
  fake.flaws.asEndpoint = 'private, No-Store'
  expect(await call()).toBeRefused(refused)
})

test('where a kind shows nothing of its state, the verdict says that effects were not observed', async () => {
  const plan = structuredClone(fake.site.plan)
  for (const unit of plan.nodes.b!.units) delete unit.observe
  const blind = { ...fake.site, plan }
  await using other = new ScenarioSite(blind, { name: 'blind', again: '' }, fakeKnowledge(), await callParts())
  const verdict = await other.call('b', 'b', 'b:read', attack())
  expect(verdict).toBeRefused(mismatch)
  expect(verdict.effects).toEqual({ observed: false, unobservable: 'kind fake has no observation' })
  expect(failureSummary({ test: 'blind', failures: [], verdicts: [verdict] })).toContain(
    'effects   not observed: kind fake has no observation',
  )
})

test('a 401 without challenge is told by its source, and not as if nothing differed', async () => {
  fake.flaws.noChallenge = true
  const verdict = await call(fake.right().withoutToken())
  const failure = caught(() => expect(verdict).toBeRefused({ status: 401, reason: 'token_missing' }))
  expect(failure).toContain('received  as expected, but for what follows')
  expect(failure).toContain('0 Bearer challenges in WWW-Authenticate, expected one (RFC 6750 section 3)')
})

test('an error code where nothing was presented is noticed', async () => {
  fake.flaws.wrongChallenge = true
  const verdict = await call(fake.right().withoutToken())
  expect(() => expect(verdict).toBeRefused({ status: 401, reason: 'token_missing' })).toThrow(
    'error code invalid_token',
  )
})

test('an accept that the far end explains with another certificate is not believed', async () => {
  fake.flaws.liesAboutPrincipal = true
  const verdict = await call(fake.right())
  expect(() => expect(verdict).toBeAccepted()).toThrow(`the record proves x5t#S256 ${'A'.repeat(43)}`)
})

test('an accept that names no token, where one was sent, is not believed', async () => {
  fake.flaws.namesNoToken = true
  const verdict = await call(fake.right())
  expect(() => expect(verdict).toBeAccepted()).toThrow('the record proves no jti, presented was jti-1')
})

test('an accept that names another token than the sent one is not believed', async () => {
  const { certificate } = await fake.right().presented()
  const other = await alone({ certificate, token: await fake.tokenFor(fake.holder, { jti: undefined }) })
  const verdict = await call(other)
  expect(() => expect(verdict).toBeAccepted()).toThrow('the record proves no jti, presented was a token that has none')
})

test('a verdict other than accepted is no accept', async () => {
  fake.flaws.perhaps = true
  const verdict = await call(fake.right())
  expect(() => expect(verdict).toBeAccepted()).toThrow('b recorded the verdict perhaps')
})

test('a failure says what was expected and received, what was presented, where the evidence is and how to run it again', async () => {
  const verdict = await call()
  const expected = { status: 401, error: 'invalid_token', reason: 'issuer_untrusted' }
  const failure = caught(() => expect(verdict).toBeRefused(expected))
  const stable = failure
    .replaceAll(verdict.credential.certificate!.thumbprint!, 'PRESENTED')
    .replaceAll(verdict.credential.token!.thumbprint!, 'BOUND')
    .replaceAll(folder, 'EVIDENCE')
    .replaceAll(/until .*GMT/g, 'until DATE')
  expect(stable).toMatchInlineSnapshot(`
    "b -> b b:read with right over another certificate
        expected  refused 401 invalid_token, reason issuer_untrusted, within 5000 ms
        received  refused 401 invalid_token, reason cnf_x5t_mismatch
        because   reason cnf_x5t_mismatch, expected issuer_untrusted
        chain     CN=c.test, by CN=Root of the fake site, until DATE
        x5t#S256  PRESENTED (presented)
        cnf       BOUND
        token     iss absent, sub a, aud absent, jti jti-1
        decision  refused http 401 invalid_token, token.binding: cnf_x5t_mismatch; proven x5t#S256 PRESENTED, jti jti-1
        differs   the token is bound to BOUND, presented was PRESENTED
        evidence  EVIDENCE/claim-test-51eb22.md
        again     holdfast test claim"
  `)
})

test('calls are kept as evidence without secrets', async () => {
  const token = await fake.tokenFor(fake.holder)
  await call()
  const calls = await readFile(join(folder, 'calls.jsonl'), 'utf8')
  expect(calls.trimEnd().split('\n')).toHaveLength(2)
  expect(calls).toContain('cnf_x5t_mismatch')
  expect(calls).not.toContain(token.split('.')[1])
})

/** A credential that was derived from none. */
async function alone(presented = {}) {
  const { Credential } = await import('../site/credential.ts')
  const certificate = await other()
  const made = { certificate, token: await fake.tokenFor(fake.holder), ...presented }
  return new Credential('alone', async () => made)
}

function caught(run: () => void): string {
  try {
    run()
  } catch (failure) {
    return (failure as Error).message
  }
  throw new Error('nothing was thrown')
}
