import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { issueLeaf } from '../pki/authority.ts'
import type { FreshCredentials } from '../site/fresh-credentials.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import type { FakeSite } from '../site/testing/fake-site.ts'
import { type FakeScenario, fakeScenario } from '../site/testing/fake-site.ts'
import { toldFailure } from '../site/told-failure.ts'
import { demandCleanEvidence } from '../vitest/attacks.ts'
import { AttackWorks, Lab } from './lab.ts'
import type { AttackTarget } from './surfaces.ts'
import { demandNoHint, demandNoLeak, leakMark, unharmed } from './unharmed.ts'

let folder: string
let fake: FakeSite
let site: ScenarioSite
let lab: Lab

const target = { name: 'b b:read', node: 'b', action: 'b:read', from: 'b' } as AttackTarget
let scenario: FakeScenario

beforeEach(async () => {
  scenario = await fakeScenario('again')
  ;({ folder, fake, site } = scenario)
  lab = new Lab(site, target, { credentials: {} as FreshCredentials, scopes: () => [] })
})
afterEach(() => scenario[Symbol.asyncDispose]())

const attack = () => lab.call(fake.right().withToken('e30.e30.AAAA', 'forged'))

test('what a call changes is noticed, and what is observed only is no change', { timeout: 20_000 }, async () => {
  expect((await unharmed(lab, attack)).status).toBe(401)
  fake.flaws.effect = true
  await expect(unharmed(lab, attack)).rejects.toThrow('it changed: /state.effects was 0, and is 1')
})

test('a target at which nobody can look any more is not taken for unharmed', { timeout: 20_000 }, async () => {
  const blinded = async () => {
    fake.flaws.unobservable = true
  }
  await expect(unharmed(lab, blinded)).rejects.toThrow('whether it changed could not be observed')
})

test('tokens of calls are looked for in what the target wrote, and those that it was told of', async () => {
  const since = await leakMark(lab)
  await lab.call(fake.right())
  await demandNoLeak(lab, since)
  fake.flaws.leak = true
  await lab.call(fake.right())
  await expect(demandNoLeak(lab, since)).rejects.toThrow(/it wrote down a secret that begins with eyJ/)
  expect(lab.presented).toHaveLength(2)
})

test('a leak of steps is told by a call of theirs that was refused, and as what it is', async () => {
  const since = await leakMark(lab)
  fake.flaws.leak = true
  const other = () => issueLeaf({ authority: fake.authority, subject: 'c.test', sans: ['c.test'] })
  await lab.call(fake.right().withCertificate(other))
  await lab.call(fake.right())
  await expect(demandNoLeak(lab, since)).rejects.toThrow('it wrote down')
  expect(toldFailure(site.ledger, { id: 'GEN-27', title: 'in the header only' }, 'test')).toMatchObject({
    sentence: expect.stringMatching(/^b b:read writes down a secret that is presented to it$/),
    told: expect.arrayContaining([
      expect.arrayContaining(['because', expect.stringContaining('b wrote down a secret that begins with eyJ')]),
    ]),
  })
})

test('a body must be of no help', () => {
  const token = `e30.${'claims'.repeat(8)}.signature`
  lab.presents(token)
  demandNoHint(lab, '{"error":"invalid_token"}')
  for (const body of [`no: ${token.slice(4, 40)}`, '-----BEGIN CERTIFICATE-----', 'at /srv/node_modules/x.js'])
    expect(() => demandNoHint(lab, body), body).toThrow(AttackWorks)
})

test('a token that was presented may stand in no file of the run', async () => {
  await lab.call(fake.right())
  await demandCleanEvidence(site)
  await writeFile(join(folder, 'forgotten.log'), `got ${lab.presented[0]}`)
  await expect(demandCleanEvidence(site)).rejects.toThrow(/forgotten\.log holds a secret/)
})

test('tokens in headers and forms are known, too', async () => {
  const other = await fake.tokenFor(fake.holder, { jti: 'other' })
  await lab.call(fake.right(), { headers: [['Authorization', `Bearer ${other} ${other}`]] })
  expect(lab.presented).toContain(other)
})
