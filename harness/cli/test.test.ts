import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ScenarioReport } from './run-scenarios.ts'

// Inside of the package, because a scenario imports it by its name.
let folder: string

const scenarios = {
  'needs-what-is-not-there': `
    import { scenario } from 'holdfast/vitest'
    const test = scenario('separate-auth', { needs: ['partition'] })
    test('is cut off', async ({ site }) => void site)`,
  'holds-without-a-site': `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('separate-auth')
    test('holds', () => expect(1).toBe(1))`,
  'does-not-hold': `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario("shared-auth")
    test('fails', () => expect('left').toBe('right'))`,
  'does-not-load': `throw new Error('broken at once')`,
}

function holdfast(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = join(import.meta.dirname, 'main.ts')
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'test', ...argv], { cwd: folder }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

beforeAll(async () => {
  folder = await mkdtemp(join(import.meta.dirname, 'fixtures', 'scenarios-'))
  for (const [name, text] of Object.entries(scenarios)) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, `${name}.scenario.ts`), text)
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }))

test('the last line is the verdict, with everything that failed above it', async () => {
  const { code, stdout, stderr } = await holdfast()

  expect(code).toBe(1)
  expect(stdout.trimEnd().split('\n').at(-1)).toBe(
    '1 passed · 2 failed · 1 did not run (backend process lacks partition)',
  )
  expect(stdout).toContain('✗ does-not-hold: fails')
  expect(stdout).toContain('again     holdfast test does-not-hold')
  expect(stdout).toContain('broken at once')
  expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  expect(stderr).toContain('✓ holds-without-a-site 1 of 1 test passed')
}, 60_000)

test('a time that is none is refused, and one on a machine that cannot move clocks says what to type', async () => {
  const wrong = await holdfast('holds-w', '--at', 'tomorrow')
  expect(wrong).toMatchObject({ code: 2, stdout: '' })
  expect(wrong.stderr).toContain('Write a sign, a number and a unit, for example +30d.')

  vi.stubEnv('HOLDFAST_LIBFAKETIME', '/nowhere/libfaketimeMT.so.1')
  const unable = await holdfast('holds-w', '--at', '+30d')
  vi.unstubAllEnvs()
  expect(unable.code).toBe(1)
  const why = process.platform === 'linux' ? 'HOLDFAST_LIBFAKETIME names /nowhere' : 'on Linux only'
  expect(unable.stderr).toContain(`--at needs clocks that can be moved: ${why}`)
}, 60_000)

test('a filter is a part of the path, or the name of the topology', async () => {
  const byPath = JSON.parse((await holdfast('holds-w', '--json')).stdout) as ScenarioReport
  const byTopology = JSON.parse((await holdfast('shared-auth', '--json')).stdout) as ScenarioReport

  expect(byPath).toMatchObject({ passed: 1, failed: 0, didNotRun: [] })
  expect(byTopology.scenarios.map(({ scenario }) => scenario)).toEqual(['does-not-hold'])
}, 60_000)

test('when nothing could run, nothing is proven: that is no success', async () => {
  const { code, stdout } = await holdfast('needs-what')

  expect(stdout).toBe('0 passed · 0 failed · 1 did not run (backend process lacks partition)\n')
  expect(code).toBe(1)
}, 60_000)
