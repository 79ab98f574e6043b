import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { githubText } from './github.ts'
import type { GroundsReport } from './grounds.ts'
import { junitText } from './junit.ts'
import { sarifText } from './sarif.ts'

const twoGrounds = join(import.meta.dirname, 'fixtures', 'two-grounds.ts')
let folder: string

/** The second one passes whoever refused. */
const tells = `
  import { expect, scenario } from 'holdfast/vitest'
  const test = scenario('separate-auth')
  test('is let in', async ({ site, credential }) => {
    expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()
  })
  test('is refused', async ({ site, credential }) => {
    const call = () => site.call('node-b', 'node-a', 'peering:connect', credential('node-b'))
    const { status } = await site.denied('a token of the other issuer', call, { withinMs: 1_000 })
    expect(status).toBe(401)
  })
  test('is refused for that', async ({ site, credential }) => {
    expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()
    expect(await site.call('node-b', 'node-a', 'peering:connect', credential('node-b'))).toBeRefused({
      status: 401, error: 'invalid_token', reason: 'issuer_untrusted',
    })
  })`
const fails = `
  import { expect, scenario } from 'holdfast/vitest'
  const test = scenario('separate-auth')
  test('fails', () => expect('left').toBe('right'))`
const needs = `
  import { expect, scenario } from 'holdfast/vitest'
  const test = scenario('separate-auth', { needs: ['ownKernel'] })
  test('needs more', async ({ site }) => expect(site).toBeDefined())`

beforeAll(async () => {
  const scratch = join(import.meta.dirname, '..', '..', '.holdfast', 'scratch')
  await mkdir(scratch, { recursive: true })
  folder = await mkdtemp(join(scratch, 'grounds-'))
  for (const [name, text] of Object.entries({ tells, fails, needs })) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, `${name}.scenario.ts`), text)
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }))

function onTwoGrounds(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const flags = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning']
  return new Promise((resolve) => {
    execFile(process.execPath, [...flags, twoGrounds, ...argv], { cwd: folder }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

const linesOf = (text: string) => text.trimEnd().split('\n')

test('grounds that see the same end with one verdict each, and one on all of them', async () => {
  const { code, stdout, stderr } = await onTwoGrounds('none', 'tells')

  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(linesOf(stdout).slice(-3)).toEqual([
    expect.stringMatching(/^process {4}3 passed · 0 failed · 0 did not run · guards covered /),
    expect.stringMatching(/^guardless {2}3 passed · 0 failed · 0 did not run · guards covered /),
    'parity     3 cells and claims the same on process and guardless, in 4 calls · 0 differ',
  ])
  expect(stdout).toContain('✓ tells on process: is refused → refused 401 issuer_untrusted (token.issuer)')
  expect(stdout).not.toContain('on process and guardless:')
}, 300_000)

test('a guard that one ground lacks is a finding by name, where nothing fails for it, too', async () => {
  const { code, stdout } = await onTwoGrounds('orchestrator/token.issuer', 'tells', '--json')
  const { grounds, parity, scenarios, failed, passed } = JSON.parse(stdout) as GroundsReport

  expect(code).toBe(1)
  expect(grounds).toMatchObject([
    { ground: 'process', passed: 3, failed: 0 },
    { ground: 'guardless', passed: 2, failed: 1 },
  ])
  expect(parity).toMatchObject({ grounds: ['process', 'guardless'], same: [{ name: 'is let in' }], apart: [] })
  const [silent, red] = parity.differing
  expect(silent).toMatchObject({ name: 'is refused', number: 1, seen: [{ state: 'passed' }, { state: 'passed' }] })
  expect(silent!.seen[0].call).toMatchObject({ reason: 'issuer_untrusted', guard: 'token.issuer', status: 401 })
  expect(silent!.members).toEqual(['reason', 'guard', 'principal'].filter((member) => silent!.members.includes(member)))
  expect(silent!.members).toContain('reason')
  expect(red).toMatchObject({
    name: 'is refused for that',
    number: 2,
    seen: [{ state: 'passed' }, { state: 'failed' }],
  })

  expect({ failed, passed }).toEqual({ failed: expect.any(Number), passed: 6 })
  // What CI shows of it: one cause, where both tests stand that tell it.
  const report = JSON.parse(stdout) as GroundsReport
  expect(junitText(report)).toContain('<testsuite name="tells on process and guardless" tests="3" failures="2"')
  expect(JSON.parse(await sarifText(report)).runs[0].results).toHaveLength(2)
  expect(await githubText(report)).toMatch(
    /^::error .*title=node-a peering%3Aconnect%3A .* on process%2C .* on guardless::/m,
  )
  const finding = scenarios.find(({ scenario, name }) => scenario.endsWith(' and guardless') && name === 'is refused')
  expect(finding).toMatchObject({ scenario: 'tells on process and guardless', state: 'failed' })
  const told = Object.fromEntries(finding!.told!.told.map(([label, ...lines]) => [label, lines]))
  expect(told.process![0]).toBe('refused 401 invalid_token in http, issuer_untrusted (token.issuer)')
  expect(told.guardless![0]).toMatch(/^refused 401 invalid_token in http, \w+ \(token\.\w+\)/)
  expect(told.again).toEqual(["npx holdfast test tells/tells.scenario.ts -t 'is refused' --backend process,process"])
  const page = join(folder, finding!.page!)
  expect((await stat(page)).mode & 0o777).toBe(0o600)
  expect(await readFile(page, 'utf8')).toMatch(/## On process\n[\s\S]*issuer_untrusted[\s\S]*## On guardless\n/)
  const last = JSON.parse(await readFile(join(folder, '.holdfast', 'last-failed.json'), 'utf8'))
  expect(last).toMatchObject({ names: expect.arrayContaining(['is refused', 'is refused for that']) })
  expect(last.grounds).toEqual(['process', 'process'])
}, 300_000)

test('with --bail nothing runs on the grounds after one that failed, and that is said', async () => {
  const { code, stdout } = await onTwoGrounds('none', 'fails', '--bail')

  expect(code).toBe(1)
  expect(linesOf(stdout).slice(-3)).toEqual([
    'process    0 passed · 1 failed · 0 did not run',
    'guardless  did not run: with --bail, for the one before failed',
    'parity     nothing was held against each other',
  ])
  // Without it they do, and what fails alike is no difference.
  expect(linesOf((await onTwoGrounds('none', 'fails')).stdout).at(-1)).toBe(
    'parity     1 cell or claim the same on process and guardless, in 0 calls · 0 differ',
  )
}, 300_000)

test('what no ground can run proves no parity, and is told with its reason', async () => {
  const { code, stdout } = await onTwoGrounds('none', 'needs')

  expect(code).toBe(1)
  expect(linesOf(stdout).at(-1)).toBe(
    'parity     0 cells and claims the same on process and guardless, in 0 calls · 0 differ',
  )
  expect(stdout).toContain('process    0 passed · 0 failed · 1 did not run (backend process lacks ownKernel)')
}, 300_000)
