import { expect, test } from 'vitest'
import type { State } from '../checks.ts'
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
    const { fresh: _, ...spoiled } = secretChecks.states
    const states = Object.entries(spoiled).flatMap(([state, { isPossible }]) => (isPossible ? [] : state))
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
  expect(live.proves(summary)).toEqual({ tokenRef: summary.ref })
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
  expect(live.refusalProblems!(call, record({ tokenRef: ref }))).toEqual([])
  const problem = `b proved the secret 00000000, presented was ${ref}`
  expect(live.refusalProblems!(call, record({ tokenRef: '00000000' }))).toEqual([problem])
  expect(live.mismatch!({ ...call, principal: { tokenRef: '00000000' } })).toBe(problem)
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

/** Nodes that can be told one more; each accepts what the others accept, and `slow` nothing. */
function rollingSite({ slow = '', refusing = '' } = {}) {
  const rolls = (node: string) => ({
    ...{ credential: 'club', second: 'take', alone: 'forget' },
    accepts: { method: 'GET', url: `https://${node}.test/`, tls: { ca: 'ca' }, expect: [200] } as const,
  })
  const nodeOf = (name: string) => ({ name, units: [{ name: 'door', insider: { rolls: rolls(name) } }] })
  const told = new Map<string, string>()
  const runs: string[] = []
  const learned: string[] = []
  const site = {
    plan: { nodes: { a: nodeOf('a'), b: nodeOf('b'), c: { name: 'c', units: [] } } },
    bound: () => 60,
    learn: (text: string) => void learned.push(text),
    async run(node: string, unit: string, input: string) {
      runs.push(`${node} ${unit}`)
      if (node === refusing) return { code: 1, stderr: 'another roll is under way' }
      if (unit === 'take') told.set(node, input)
      else told.delete(node)
      return { code: 0, stderr: '' }
    },
    async callFrom(node: string) {
      const own = told.get(node)
      const refs = own === undefined || node === slow ? [] : [{ ref: live.summary({ secret: own })!.ref }]
      return { status: 200, json: { accepts: refs } }
    },
  } as unknown as LiveSite
  return { site, told, runs, learned }
}
const planOf = ({ plan }: LiveSite) => plan as Parameters<NonNullable<State['isPossible']>>[1]

test('a second one is told to all holders that can be, and accepted there before anybody presents it', async () => {
  const { site, told, runs, learned } = rollingSite()
  const { secret } = await live.spoil['second of two']!({ secret: own }, planned, site)

  expect(secret).toMatch(/^[0-9a-f]{64}$/)
  expect([...told.values()]).toEqual([secret, secret])
  expect(runs).toEqual(['a take', 'b take'])
  expect(learned).toEqual([secret])
})

test('one that has ended was accepted before', async () => {
  const { site, told, runs } = rollingSite()
  const { secret } = await live.spoil.ended!({ secret: own }, planned, site)

  expect(secret).not.toBe(own)
  expect([...told]).toEqual([])
  expect(runs).toEqual(['a take', 'b take', 'a forget', 'b forget'])
})

test('a holder that does not take it, or cannot be told, is named', async () => {
  const made = (how: Parameters<typeof rollingSite>[0]) =>
    live.spoil['second of two']!({ secret: own }, planned, rollingSite(how).site)
  await expect(made({ slow: 'b' })).rejects.toThrow(/^b does not accept the secret [0-9a-f]{8} that it was told of/)
  await expect(made({ refusing: 'a' })).rejects.toThrow(
    'to have a second was answered with 1: another roll is under way',
  )
})

test('there are such states where a holder can be told, and nowhere else', () => {
  const possible = (plan: unknown) =>
    ['second of two', 'ended'].map((state) => secretChecks.states[state]!.isPossible!(planned, plan as never))
  const { site } = rollingSite()
  expect(possible(planOf(site))).toEqual([true, true])
  expect(possible({ nodes: { a: { units: [{ name: 'door' }] }, b: { units: [] } } })).toEqual([false, false])
  expect(secretChecks.states['second of two']!.isPossible!({ ...planned, name: 'guild' }, planOf(site))).toBe(false)
})
