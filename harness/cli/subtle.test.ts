import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reportText, scoreLine } from './subtle.ts'
import type { MutantOutcome } from './subtle-run.ts'

const outcome = (id: string, is: MutantOutcome['outcome'], held: string[] = []): MutantOutcome => {
  return { id, outcome: is, held, guards: ['token.form'], hash: '' }
}

test('the score counts what was tried; survivors are told by place and change', () => {
  const survivor = outcome('orchestrator shared/token-form.ts:23:9 skipped → false', 'survived', [
    'claim: test',
    'claim: other',
  ])
  const outcomes = [outcome('a', 'killed'), survivor, outcome('b', 'unreached')]

  expect(scoreLine(outcomes)).toBe('kill score 50.0 %: 1 of 2 · 1 survive, 0 of them explained · 1 covered by no test')
  expect(scoreLine([outcome('b', 'unreached')])).toContain('no mutant was tried')
  expect(reportText(outcomes, 7)).toBe(
    [
      'survived  orchestrator shared/token-form.ts:23:9 skipped → false',
      '          token.form; held: 2 tests, claim: test',
      '',
      'kill score 50.0 %: 1 of 2 · 1 survive, 0 of them explained · 1 covered by no test · 7 not tried yet',
    ].join('\n'),
  )
  const unseen = { ...survivor, because: 'both are the same' }
  const late = { ...outcome('c', 'killed'), isLate: true }
  expect(reportText([unseen, late], 0)).toBe(
    'kill score 50.0 %: 1 of 2, 1 by time alone · 1 survive, 1 of them explained',
  )
  expect(reportText([{ ...outcome('d', 'killed'), by: 'claim: test', because: 'both are the same' }], 0)).toContain(
    'seen      d\n          explained as what nobody can see, and killed by claim: test',
  )
})

let folder: string
beforeAll(async () => {
  const scratch = join(import.meta.dirname, '..', '..', '.holdfast', 'scratch')
  await mkdir(scratch, { recursive: true })
  folder = await mkdtemp(join(scratch, 'subtle-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What came of mutants under the one scenario `claim`, whose test is this. */
async function tried(claim: string, lines: string, ...argv: string[]): Promise<readonly MutantOutcome[]> {
  const cwd = await mkdtemp(join(folder, 'of-'))
  await mkdir(join(cwd, claim))
  const scenario = `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('separate-auth')
    ${lines}`
  await writeFile(join(cwd, claim, `${claim}.scenario.ts`), scenario)
  const script = join(import.meta.dirname, 'fixtures', 'try-mutants.ts')
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=holdfast-source', script, ...argv], {
    cwd,
  })
  expect((await readdir(join(cwd, '.holdfast'))).filter((name) => name.startsWith('mutants-'))).toEqual([])
  return JSON.parse(stdout)
}

test('a mutant under which a test fails is killed, after one that spoils the site, too, and one that changes nothing survives', async () => {
  const outcomes = await tried(
    'issuer',
    `test('A refuses what B minted for itself', async ({ site, credential }) => {
      expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()
      const refused = { status: 401, error: 'invalid_token', reason: 'issuer_untrusted', guard: 'token.issuer' }
      expect(await site.call('node-b', 'node-a', 'peering:connect', credential('node-b'))).toBeRefused(refused)
    })`,
  )

  const by = 'issuer: A refuses what B minted for itself'
  expect(outcomes).toMatchObject([
    { id: 'spoils', outcome: 'survived', held: [by] },
    { id: 'gone', outcome: 'killed', by, why: expect.stringContaining('issuer_untrusted') },
    { id: 'the same', outcome: 'survived', held: [by] },
  ])
}, 300_000)

test('a mutant is in a program that a test runs beside the units, too', async () => {
  const outcomes = await tried(
    'checked',
    `test('its own configuration is good to it', async ({ site }) => {
      const checking = ['service:auth-server', '--config', 'units/auth/config.json', '--check-config']
      expect(await site.node('auth-a').exec(checking)).toMatchObject({ code: 0 })
    })`,
    'beside',
  )

  const by = 'checked: its own configuration is good to it'
  expect(outcomes).toMatchObject([
    { id: 'the other way round', outcome: 'killed', by, why: expect.stringContaining('78') },
    { id: 'the same', outcome: 'survived', held: [by] },
  ])
}, 300_000)
