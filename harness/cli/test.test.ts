import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { settings } from '../settings.ts'
import { fitsAny } from './choose-scenarios.ts'
import type { ScenarioReport } from './run-scenarios.ts'
import { runningSites } from './runs.ts'

// Inside of the package, because a scenario imports it by its name.
let folder: string
/** Apart, so that one run can pass. */
let slipFolder: string
let killedFolder: string
let bailedFolder: string
let endedFolder: string

const scenarios = {
  'needs-what-is-not-there': `
    import { scenario } from 'holdfast/vitest'
    const test = scenario('../lab.json', { needs: ['ownKernel'] })
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
  'does-not-load': `throw new Error('broken at once')`,
}

const slips = {
  'has-a-slip-in-its-data': `
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('../slip.json')
    test('is accepted all the same', async ({ site, credential }) => {
      expect(await site.call('gateway', 'gateway', 'node:read', credential('gateway'))).toBeAccepted()
    })`,
}

const killed = {
  'is-killed': `
    import { expect, scenario } from 'holdfast/vitest'
    console.log('printed while the file is read')
    const test = scenario('separate-auth')
    test('first', async ({ site }) => {
      console.error('printed by', site.site.run)
      expect(site.site.run).toContain('separate-auth')
    })
    test('second', async ({ site }) => void process.kill(process.pid, 'SIGKILL'))
    test('third', async ({ site }) => void site)`,
}

// Whichever comes first fails; the other, where it runs beside it, waits for that.
const bailing = `
    import { once } from 'node:events'
    import { mkdirSync } from 'node:fs'
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('separate-auth')
    const isFirst = () => {
      try {
        mkdirSync('taken')
        return true
      } catch {
        return false
      }
    }
    test('one of them fails', async ({ signal }) => {
      const fails = isFirst()
      if (!fails && !signal.aborted) await once(signal, 'abort')
      expect(fails).toBe(false)
    })
    test('never begins', () => expect('here').toBe('there'))`
const bailed = { 'is-one': bailing, 'is-another': bailing }

const ended = {
  'is-ended': `
    import { writeFileSync } from 'node:fs'
    import { expect, scenario } from 'holdfast/vitest'
    const test = scenario('separate-auth')
    test('first', async ({ site }) => {
      writeFileSync('first-ran', site.site.run)
      expect(site.site.run).toContain('separate-auth')
    })`,
}

const main = join(import.meta.dirname, 'main.ts')
const packageFolder = join(import.meta.dirname, '..', '..')

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function holdfast(...argv: string[]): Promise<Ended> {
  return holdfastIn(folder, ...argv)
}

function holdfastIn(cwd: string, ...argv: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'test', ...argv], { cwd }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

beforeAll(async () => {
  // Below the package, so that it imports 'holdfast/vitest'; where no check of the sources looks.
  const scratch = join(packageFolder, '.holdfast', 'scratch')
  await mkdir(scratch, { recursive: true })
  folder = await mkdtemp(join(scratch, 'scenarios-'))
  slipFolder = await mkdtemp(join(scratch, 'slips-'))
  bailedFolder = await mkdtemp(join(scratch, 'bailed-'))
  endedFolder = await mkdtemp(join(scratch, 'ended-'))
  // A name that is hard on URLs, with its packages above.
  killedFolder = join(await mkdtemp(join(tmpdir(), 'issue #12? ')), 'project')
  const modules = join(dirname(killedFolder), 'node_modules')
  await Promise.all([mkdir(killedFolder), mkdir(modules)])
  await symlink(packageFolder, join(modules, 'holdfast'))
  await symlink(join(packageFolder, 'node_modules', 'vitest'), join(modules, 'vitest'))
  await writeFile(join(folder, 'lab.json'), '{ "name": "gateway-lab" }')
  const guide = join(packageFolder, 'docs', 'guides', 'examples', 'one-gateway.json')
  const slip = (await readFile(guide, 'utf8')).replace('["gateway"]', '["gateway", "https://gateway.lab.test/"]')
  await writeFile(join(slipFolder, 'slip.json'), slip)
  await Promise.all([
    writeScenarios(folder, scenarios),
    writeScenarios(slipFolder, slips),
    writeScenarios(bailedFolder, bailed),
    writeScenarios(killedFolder, killed),
    writeScenarios(endedFolder, ended),
  ])
})

async function writeScenarios(below: string, texts: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(texts)) {
    await mkdir(join(below, name))
    await writeFile(join(below, name, `${name}.scenario.ts`), text)
  }
}

afterAll(async () => {
  for (const each of [folder, slipFolder, bailedFolder, endedFolder, dirname(killedFolder)])
    await rm(each, { recursive: true, force: true })
})

test('the last line is the verdict, with everything that failed above it', async () => {
  const { code, stdout, stderr } = await holdfast()

  expect(code).toBe(1)
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
    /^2 passed · 3 failed · 1 did not run \(backend process lacks ownKernel\)/,
  )
  expect(stdout).toContain('✗ does-not-hold: fails')
  expect(stdout).toContain('again     npx holdfast test does-not-hold/does-not-hold.scenario.ts')
  expect(stdout).toContain('broken at once')
  expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  expect(stderr).toContain('✓ holds-without-a-site 1 of 1 test passed')
  expect(stderr).toContain('… scenarios  5 files')
  expect(stdout).toContain('✓ holds-without-a-site: holds\n')
  // Of a refusal: who refused it and why, and its control; of all of them: where the evidence is.
  expect(stdout).toContain('✓ proves-and-fails: proves → refused 401 issuer_untrusted (token.issuer), control ✓\n')
  expect(stdout).toMatch(/\nevidence {2}\.holdfast\/runs\/separate-auth-[0-9a-f]{6}\n2 passed/)
  expect(stdout).not.toContain('preflight')
  // No node_modules, no cache: a folder of scenarios stays as it was.
  expect((await readdir(folder)).toSorted()).toEqual([...Object.keys(scenarios), '.holdfast', 'lab.json'].toSorted())
}, 300_000)

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
}, 300_000)

test('a filter is a part of the path, a topology by its name, also of one in a file, or the path that "again" prints', async () => {
  const filters = ['holds-w', 'shared-auth', 'gateway-lab', './does-not-load/does-not-load.scenario.ts']
  const { code, stdout } = await holdfast(...filters, '--json')
  const json = JSON.parse(stdout) as ScenarioReport

  expect(code).toBe(1)
  expect(json).toMatchObject({ passed: 1, failed: 2, didNotRun: [{ name: 'needs-what-is-not-there: is cut off' }] })
  expect(json.scenarios.map(({ scenario }) => scenario).toSorted()).toEqual(
    ['holds-without-a-site', 'does-not-hold', 'needs-what-is-not-there', 'does-not-load'].toSorted(),
  )
}, 300_000)

test('one filter leaves the others out', async () => {
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
  const fitting = async (filter: string) => {
    const files = Object.keys(scenarios).map((name) => join(folder, name, `${name}.scenario.ts`))
    const fits = await Promise.all(files.map((file) => fitsAny(file, [filter])))
    return Object.keys(scenarios).filter((_, index) => fits[index])
  }

  expect(await fitting('holds-w')).toEqual(['holds-without-a-site'])
  expect(await fitting('shared-auth')).toEqual(['does-not-hold'])
  expect(await fitting('gateway-lab')).toEqual(['needs-what-is-not-there'])
  expect(await fitting('./does-not-hold/does-not-hold.scenario.ts')).toEqual(['does-not-hold'])
  vi.restoreAllMocks()
})

test('a test that passed says what it proved, one that failed keeps its site until somebody ends it', async () => {
  const child = spawn(process.execPath, [main, 'test', 'proves-and-fails', '--keep', '--json'], { cwd: folder })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  await expect.poll(() => stderr, { timeout: 200_000 }).toContain('The run waits')
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
}, 300_000)

test('with --bail the first cause ends the run, in the files beside it as well', async () => {
  const { code, stdout } = await holdfastIn(bailedFolder, '--bail', '--json')
  const report = JSON.parse(stdout) as ScenarioReport

  expect(code).toBe(1)
  const failed = report.scenarios.filter(({ state }) => state === 'failed')
  expect(failed.map(({ name }) => name)).toEqual(['one of them fails'])
  const [claim = ''] = failed.map(({ scenario }) => scenario)
  const other = claim === 'is-one' ? 'is-another' : 'is-one'
  const left = report.didNotRun.map(({ name }) => name).toSorted()
  expect(left).toHaveLength(2)
  expect(left).toContain(`${claim}: never begins`)
  // Where files run beside each other it had begun.
  expect(left.some((name) => [`${other}: the file as a whole`, `${other}: never begins`].includes(name))).toBe(true)
}, 300_000)

test('what is wrong with the data of a site is told apart from what its scenarios found', async () => {
  const { code, stdout } = await holdfastIn(slipFolder)

  expect(code).toBe(0)
  expect(stdout).toContain(
    'preflight  audience-text: gateway (credentials.gateway) has the audience https://gateway.lab.test/, which looks like https://gateway.lab.test and is another text; write https://gateway.lab.test  [has-a-slip-in-its-data]\n',
  )
  expect(stdout).toContain('\n1 passed · 0 failed · 0 did not run')
}, 300_000)

test('a worker that is killed leaves no site, its tests and its evidence are named, and what it printed is seen', async () => {
  const { code, stdout, stderr } = await holdfastIn(killedFolder, '--json')
  const { passed, failed, didNotRun, scenarios, runs } = JSON.parse(stdout) as ScenarioReport
  const named = scenarios.filter(({ file }) => file === join('is-killed', 'is-killed.scenario.ts'))

  expect(code).toBe(1)
  expect(failed).toBe(1)
  expect(named.map(({ name }) => name).toSorted()).toEqual(['first', 'second', 'third'])
  // Whether the first could still be told of is a matter of moments.
  expect(passed + didNotRun.length).toBe(3)
  expect(didNotRun).toContainEqual({
    name: 'is-killed: third',
    reason: 'the run, or the process of its file, ended before it',
  })
  const [run = ''] = runs.map((path) => basename(path))
  expect(stderr).toContain('printed while the file is read\n')
  expect(stderr).toContain(`printed by ${run}\n`)
  expect(existsSync(join(settings().runtimeDir, run))).toBe(false)
  expect(existsSync(join(runs[0]!, 'history.jsonl'))).toBe(true)
}, 300_000)

test('a run that is ended while its worker starts begins no test, whether the worker lives on or dies of it, too', async () => {
  for (const andThen of ['', "process.kill(process.pid, 'SIGKILL')"]) {
    // What a worker loads first: it has no way to hear of a cancelled run yet.
    const early = `if (/vitest.dist.workers/.test(process.argv[1])) { process.kill(process.ppid, 'SIGTERM'); ${andThen} }`
    await writeFile(join(endedFolder, 'early.mjs'), early)
    vi.stubEnv('NODE_OPTIONS', `--import=${join(endedFolder, 'early.mjs')}`)
    const { code, stderr } = await holdfastIn(endedFolder)
    vi.unstubAllEnvs()

    expect({ code, stderr }).toMatchObject({ code: 143, stderr: expect.stringContaining('interrupted by SIGTERM') })
    expect(existsSync(join(endedFolder, 'first-ran'))).toBe(false)
  }
  // The control: nobody ends it.
  expect(await holdfastIn(endedFolder)).toMatchObject({ code: 0 })
  expect(existsSync(join(endedFolder, 'first-ran'))).toBe(true)
}, 300_000)

test('when nothing could run, nothing is proven: that is no success', async () => {
  const { code, stdout } = await holdfast('needs-what')

  expect(stdout).toBe('0 passed · 0 failed · 1 did not run (backend process lacks ownKernel)\n')
  expect(code).toBe(1)
}, 300_000)
