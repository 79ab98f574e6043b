import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ScenarioReport } from './run-scenarios.ts'
import { runningSites } from './runs.ts'

// Inside of the package, because a scenario imports it by its name.
let folder: string

const scenarios = {
  'needs-what-is-not-there': `
    import { scenario } from 'holdfast/vitest'
    const test = scenario('../lab.json', { needs: ['partition'] })
    test('is cut off', async ({ site }) => void site)`,
  'holds-without-a-site': `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('separate-auth')
    test('holds', () => expect(1).toBe(1))`,
  'does-not-hold': `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario("shared-auth")
    test('fails', () => expect('left').toBe('right'))`,
  'proves-and-fails': `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('separate-auth')
    const call = (site, credential) => site.call('node-b', 'node-a', 'peering:connect', credential)
    test('proves', async ({ site, credential }) => {
      expect(await call(site, credential('peer-b-to-a'))).toBeAccepted()
      expect(await call(site, credential('node-b'))).toBeRefused({
        status: 401, error: 'invalid_token', reason: 'issuer_untrusted',
      })
    })
    test('fails', async ({ site, credential }) => {
      expect(await call(site, credential('node-b'))).toBeAccepted()
    })`,
  'has-a-slip-in-its-data': `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('../slip.json')
    test('is accepted all the same', async ({ site, credential }) => {
      expect(await site.call('gateway', 'gateway', 'node:read', credential('gateway'))).toBeAccepted()
    })`,
  'does-not-load': `throw new Error('broken at once')`,
}

const main = join(import.meta.dirname, 'main.ts')

function holdfast(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'test', ...argv], { cwd: folder }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

beforeAll(async () => {
  // Below the package, so that it imports 'holdfast/vitest'; where no check of the sources looks.
  const scratch = join(import.meta.dirname, '..', '..', '.holdfast', 'scratch')
  await mkdir(scratch, { recursive: true })
  folder = await mkdtemp(join(scratch, 'scenarios-'))
  await writeFile(join(folder, 'lab.json'), '{ "name": "gateway-lab" }')
  const guide = join(import.meta.dirname, '..', '..', 'docs', 'guides', 'examples', 'one-gateway.json')
  const slip = (await readFile(guide, 'utf8')).replace('["gateway"]', '["gateway", "https://gateway.lab.test/"]')
  await writeFile(join(folder, 'slip.json'), slip)
  for (const [name, text] of Object.entries(scenarios)) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, `${name}.scenario.ts`), text)
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }))

test('the last line is the verdict, with everything that failed above it', async () => {
  const { code, stdout, stderr } = await holdfast()

  expect(code).toBe(1)
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
    /^3 passed · 3 failed · 1 did not run \(backend process lacks partition\)/,
  )
  expect(stdout).toContain('✗ does-not-hold: fails')
  expect(stdout).toContain('again     npx holdfast test does-not-hold/does-not-hold.scenario.ts')
  expect(stdout).toContain('broken at once')
  expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  expect(stderr).toContain('✓ holds-without-a-site 1 of 1 test passed')
  expect(stderr).toContain('… scenarios  6 files')
  expect(stdout).toContain('✓ holds-without-a-site: holds\n')
  // No node_modules, no cache: a folder of scenarios stays as it was.
  expect((await readdir(folder)).toSorted()).toEqual(
    [...Object.keys(scenarios), '.holdfast', 'lab.json', 'slip.json'].toSorted(),
  )
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

test('the name of a topology that is given by its path is a filter, and so is the path that "again" prints', async () => {
  const byName = JSON.parse((await holdfast('gateway-lab', '--json')).stdout) as ScenarioReport
  const byPath = JSON.parse((await holdfast('./does-not-hold/does-not-hold.scenario.ts', '--json')).stdout)

  expect(byName.scenarios.map(({ scenario }) => scenario)).toEqual(['needs-what-is-not-there'])
  expect(byPath.scenarios.map(({ scenario }: { scenario: string }) => scenario)).toEqual(['does-not-hold'])
}, 60_000)

test('a test that passed says what it proved, one that failed keeps its site until somebody ends it', async () => {
  const child = spawn(process.execPath, [main, 'test', 'proves-and-fails', '--keep', '--json'], { cwd: folder })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  await expect.poll(() => stderr, { timeout: 50_000 }).toContain('The run waits')
  const [, run = ''] = /end it with +npx holdfast down (\S+)/.exec(stderr) ?? []
  expect(stderr).toContain('# node:read as node-a, with node-a')
  expect(stdout).toBe('')
  const running = (await runningSites()).find((site) => site.run === run)
  expect(running).toBeDefined()

  // Ctrl-C where it runs: everything is released, the evidence is whole.
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  expect(code).toBe(130)
  expect((await runningSites()).map((site) => site.run)).not.toContain(run)
  expect(existsSync(join(running!.evidence, 'history.jsonl'))).toBe(true)
}, 90_000)

test('the verdict of a run tells each call, its reason and its control, and where the evidence is', async () => {
  const { code, stdout } = await holdfast('proves-and-fails')
  const json = JSON.parse((await holdfast('proves-and-fails', '--json')).stdout) as ScenarioReport
  const proven = json.scenarios.find(({ name }) => name === 'proves')

  expect(code).toBe(1)
  expect(stdout).toContain('✓ proves-and-fails: proves → refused 401 issuer_untrusted (token.issuer), control ✓\n')
  expect(stdout).toMatch(/\nevidence {2}\.holdfast\/runs\/separate-auth-[0-9a-f]{6}\n1 passed/)
  expect(proven?.calls?.map(({ verdict, reason, guard }) => [verdict, reason, guard])).toEqual([
    ['accepted', null, null],
    ['refused', 'issuer_untrusted', 'token.issuer'],
  ])
  expect(proven?.calls?.[1]?.control).toMatchObject({ accepted: true, element: 'token', credential: 'peer-b-to-a' })
  expect(json.runs).toEqual([proven?.evidence])
  expect(stdout).not.toContain('preflight')
}, 90_000)

test('what is wrong with the data of a site is told apart from what its scenarios found', async () => {
  const { code, stdout } = await holdfast('has-a-slip')

  expect(code).toBe(0)
  expect(stdout).toContain(
    'preflight  audience-text: gateway (credentials.gateway) has the audience https://gateway.lab.test/, which looks like https://gateway.lab.test and is another text; write https://gateway.lab.test  [has-a-slip-in-its-data]\n',
  )
  expect(stdout).toContain('\n1 passed · 0 failed · 0 did not run')
}, 60_000)

test('when nothing could run, nothing is proven: that is no success', async () => {
  const { code, stdout } = await holdfast('needs-what')

  expect(stdout).toBe('0 passed · 0 failed · 1 did not run (backend process lacks partition)\n')
  expect(code).toBe(1)
}, 60_000)
