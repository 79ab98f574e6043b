import { expect, test } from 'vitest'
import { KnownSecrets } from '../known-secrets.ts'
import type { JudgedCall, MadeRecord } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import { leaksIn, redact, secretsOf } from '../secrets.ts'
import { secretChecks } from './checks.ts'
import { secretFindings } from './findings.ts'
import { liveBearerSecret as live } from './live.ts'
import type { PlanBearerSecret } from './planned.ts'

const own = 'a3f09c51d2e8b7460f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978'
const planned: PlanBearerSecret = {
  ...{ name: 'club', kind: 'bearer-secret', issuer: 'a', holders: ['a', 'b'], handover: 'copy' },
  ...{ bytes: 32, format: 'hex', files: { a: '@{dir}/a', b: '@{dir}/b' } },
}
const siteWith = (files: Readonly<Record<string, string>>) => {
  const read = async (_: string, path: string) => files[path] ?? Promise.reject(new Error('not there'))
  return { read } as unknown as LiveSite
}

test('a fresh one is that which all holders have, without the end of its line', async () => {
  const site = siteWith({ '@{dir}/a': own, '@{dir}/b': `${own}\n` })
  expect(await live.fresh(planned, site, 'a')).toEqual({ secret: own })
  expect(await live.held(planned, site, 'b')).toEqual({ secret: own })
})

test.each(['hex', 'base64url'] as const)(
  'every spoiled one of %s is another text, and none of two is the same',
  async (format) => {
    const secret = Buffer.from(own, 'hex').toString(format)
    const states = Object.keys(secretChecks.states).filter((state) => state !== 'fresh')
    const made = states.map((state) => live.spoil[state]!({ secret }, { ...planned, format }, siteWith({})))
    const texts = (await Promise.all(made)).map((presented) => presented.secret!)
    expect(new Set([secret, ...texts]).size).toBe(states.length + 1)
    expect(texts.map(({ length }) => length - secret.length)).toEqual([0, -secret.length, 0, 0, -1, 2, 0, 2, 0, -1])
    // Whoever compares a beginning alone takes these for the right one.
    expect(texts.filter((text) => text.startsWith(secret.slice(0, -1)))).toHaveLength(3)
  },
)

test('an accept names which secret it believed, and no summary shows it', () => {
  const summary = live.summary({ secret: own })!
  expect(summary).toEqual({ ref: expect.stringMatching(/^[0-9a-f]{8}$/), length: 64 })
  expect(live.proves(summary)).toEqual({ secret: summary.ref })
  expect(live.explanation(summary)).toEqual([`secret    ref ${summary.ref}, 64 characters`])
  expect(live.summary({ token: 'x' })).toBeUndefined()
  expect(live.summary({ secret: '' })).toMatchObject({ length: 0 })
})

test('a record that names another secret than the one that was presented speaks against the call', () => {
  const call = {
    credential: { secret: live.summary({ secret: own }) },
    to: 'b',
    principal: {},
  } as unknown as JudgedCall
  const record = (principal: Record<string, string>) => ({ principal }) as unknown as MadeRecord
  const { ref } = call.credential.secret!
  expect(live.refusalProblems!(call, record({}))).toEqual([])
  expect(live.refusalProblems!(call, record({ secret: ref }))).toEqual([])
  const problem = `b proved the secret 00000000, presented was ${ref}`
  expect(live.refusalProblems!(call, record({ secret: '00000000' }))).toEqual([problem])
  expect(live.mismatch!({ ...call, principal: { secret: '00000000' } })).toBe(problem)
})

test('it is taken out of a text where it is carried, and everywhere once it is known', () => {
  expect(redact(`Authorization: Bearer ${own}`)).toBe('Authorization: Bearer a3f09c51…')
  const known = new KnownSecrets()
  known.add(secretsOf(`${own}\n`))
  expect(redact(`what came was ${own}`, known)).toBe('what came was [secret a3f09c51… removed]')
})

test('a target that writes down what it was shown is found out', () => {
  expect(leaksIn(`{"got":"${own}"}`, [own])).toHaveLength(1)
  expect(leaksIn(`{"got":"${own.slice(0, 40)}"}`, [own])).toHaveLength(1)
  expect(leaksIn('{"got":"nothing"}', [own])).toEqual([])
})

test('a holder that has another one than its maker, none, or none that can be carried, is found before any call', async () => {
  const checksOf = async (files: Readonly<Record<string, string>>) =>
    (await secretFindings([planned], siteWith(files))).map(({ check, place }) => `${check} at ${place}`)
  expect(await checksOf({ '@{dir}/a': own, '@{dir}/b': own })).toEqual([])
  expect(await checksOf({ '@{dir}/a': own, '@{dir}/b': own.replace('a', 'b') })).toEqual(['same at b @{dir}/b'])
  expect(await checksOf({ '@{dir}/a': own })).toEqual(['readable at b @{dir}/b'])
  const blank = { '@{dir}/a': `${own} x`, '@{dir}/b': `${own} x` }
  expect(await checksOf(blank)).toEqual(['well-formed at a @{dir}/a', 'well-formed at b @{dir}/b'])
})
