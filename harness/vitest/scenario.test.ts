import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createVitest } from 'vitest/node'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-scenario-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the file of this folder in a vitest of its own: what a user of `scenario` sees. */
async function outcomes() {
  const vitest = await createVitest({
    root: join(import.meta.dirname, 'testing'),
    config: false,
    watch: false,
    include: ['fixture-*.ts'],
    testTimeout: 30_000,
    pool: 'forks',
    reporters: [{}],
    provide: { evidence: folder },
  })
  try {
    const { testModules } = await vitest.start()
    const tests = testModules.flatMap((module) => [...module.children.allTests()])
    const errors = testModules.flatMap((module) => module.errors())
    return { tests: new Map(tests.map((one) => [one.name, { ...one.result(), again: one.meta().again }])), errors }
  } finally {
    await vitest.close()
  }
}

test('one site per file, released after a failure too; what a backend lacks is said by name', async () => {
  const { tests, errors } = await outcomes()
  expect(errors).toEqual([])
  expect(Object.fromEntries([...tests].map(([name, { state }]) => [name, state]))).toEqual({
    'the first test launches': 'passed',
    'a test that fails': 'failed',
    'the next test has the same site and a ledger of its own': 'passed',
    'a path is relative to the scenario file': 'passed',
    'expects nothing': 'failed',
    'expects nothing, and has no site either': 'failed',
    'leaves a call unjudged': 'failed',
    'forgets to await': 'failed',
    'expects of a promise': 'failed',
    'what is waited for judges its calls': 'passed',
    'needs what the backend lacks': 'skipped',
    'says what else the machine lacks': 'skipped',
    'moves clocks where the machine cannot': 'skipped',
    'moves clocks in a process whose own stays': 'skipped',
    'a program of its plan that the machine lacks': 'skipped',
    'a launch that fails fails the test': 'failed',
    'a site that comes up while the run is ended': 'skipped',
    'a site that files share': 'passed',
  })
  expect(tests.get('needs what the backend lacks')).toMatchObject({ note: 'backend process lacks ownClock, partition' })
  expect(tests.get('says what else the machine lacks')).toMatchObject({ note: 'go is not installed: type this' })
  expect(tests.get('moves clocks where the machine cannot')).toMatchObject({
    note: 'backend process lacks ownClock: libfaketime is missing (type this)',
  })
  expect(tests.get('moves clocks in a process whose own stays')).toMatchObject({
    note: 'the clock of this process cannot be moved; run it by: holdfast test',
  })
  expect(tests.get('a program of its plan that the machine lacks')).toMatchObject({
    note: 'b/web: docker is not installed: type this',
  })
  expect(tests.get('a site that comes up while the run is ended')).toMatchObject({
    note: 'the run was ended before it',
  })
  expect(tests.get('a launch that fails fails the test')).toMatchObject({
    errors: [{ message: expect.stringContaining('no CA today') }],
    // What failed is run again by what its maker says, whatever broke.
    again: 'npx holdfast attack ./lab.json',
  })
  const judging = 'this test cannot fail: '
  const failures = {
    'expects nothing': `${judging}it expects nothing`,
    'expects nothing, and has no site either': `${judging}it expects nothing`,
    'leaves a call unjudged': `${judging}nothing judges b -> b b:read with right; write expect(await site.call(…))`,
    'forgets to await': `${judging}it ended before a call of its own; write await before site.call(…)`,
    'expects of a promise': 'this is a promise: write expect(await site.call(…)).toBeAccepted()',
  }
  for (const [name, message] of Object.entries(failures)) {
    expect(tests.get(name)?.errors?.map((error) => error.message)).toEqual([expect.stringContaining(message)])
  }
  expect(readFileSync(join(folder, 'launches'), 'utf8')).toBe('launch\nrelease\n')
  expect(readFileSync(join(folder, 'shared', 'launches'), 'utf8')).toBe('launch\nfile done\nrelease\n')
}, 60_000)

test('a failure leaves a summary that a reader understands, and the history', () => {
  const summary = readdirSync(folder).find((file) => file.startsWith('testing-a-test-that-fails'))
  const text = readFileSync(join(folder, summary ?? 'none'), 'utf8')
  expect(text).toContain('expected  refused 401 invalid_token, reason issuer_untrusted')
  expect(text).toContain('## Call 2: refused 401 invalid_token, reason cnf_x5t_mismatch')
  expect(text).toContain('control   right (differs: right')
  expect(readFileSync(join(folder, 'history.jsonl'), 'utf8').trimEnd().split('\n').length).toBeGreaterThan(4)
})
