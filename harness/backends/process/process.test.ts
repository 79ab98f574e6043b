import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import type { SiteEvent } from '../../evidence/event.ts'
import { settings } from '../../settings.ts'
import { backend } from '../../shipped.ts'
import { resolveTool } from '../../toolchain/resolve.ts'
import type { Step } from '../../topology/plan.ts'
import { UnknownBackend } from '../backend.ts'
import { conformance } from '../conformance.ts'
import { idlePlan, oneshot, planOf, webUnit } from '../fixtures/plans.ts'
import { backendOf } from '../launch.ts'
import { sweepRuns } from '../sweep.ts'
import { usersMissing } from '../users.ts'
import { ground } from './fixtures/ground.ts'
import { processBackend } from './index.ts'
import { addressesIn, loopbackMissing, strangersIn, takeSubnet } from './subnet.ts'

// A folder of runs of its own: sweeping here must not see the sites of other test files.
process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))

afterAll(() => rm(settings().runtimeDir, { recursive: true, force: true }))

conformance(ground)

test('the agents of a run are one process, whose end is told as what it is', async () => {
  const pids = new Set<number>()
  const nodes = { one: [webUnit('one')], two: [webUnit('two', { args: ['--slow', '60000'] })] }
  const onEvent = (event: SiteEvent) => {
    if (event.event === 'agent-started') pids.add(event.pid)
    if (event.event === 'unit-ready') for (const pid of pids) process.kill(pid, 'SIGKILL')
  }
  const evidence = join(settings().runtimeDir, 'evidence')

  await expect(processBackend.launch(planOf(nodes), { evidence, onEvent })).rejects.toMatchObject({
    code: 'HOLDFAST_NOT_READY',
    message: expect.stringMatching(/^the process of the agents of all 2 nodes ended \(SIGKILL\)/),
  })
  expect(pids.size).toBe(1)
})

async function pretendDead(run: string): Promise<void> {
  const file = join(settings().runtimeDir, run, 'run.json')
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), startTime: 'another boot:1' }))
}

test('what a run knew as its secrets is not in the evidence that is completed after its death', async () => {
  const script = `const { appendFileSync, readFileSync } = require('node:fs')
    appendFileSync('decisions.jsonl', JSON.stringify({ ts: '2026', text: readFileSync('key', 'utf8') }) + '\\n')`
  const steps: Step[] = [
    { run: { program: { path: 'node' }, args: ['-e', 'console.log("k".repeat(8) + "0123456789")'] } },
    { write: { path: '@{unit}/from', text: 'kkkkkkkk0123456789' } },
    { copy: { from: '@{unit}/from', to: { path: '@{unit}/key', mode: '0600' } } },
    { run: { program: { path: 'node' }, args: ['-e', script], env: { KEY: '@{content:key}' } } },
  ]
  const plan = planOf({ one: [webUnit('one', { steps, decisionLog: '@{unit}/decisions.jsonl' })] })
  const evidence = join(settings().runtimeDir, 'evidence-of-the-dead')
  const site = await processBackend.launch(plan, { evidence })
  onTestFinished(() => site[Symbol.asyncDispose]().then(undefined, () => {}))
  await pretendDead(site.run)

  await sweepRuns(backend)

  const names = ['history.jsonl', 'plan.json', join('logs', 'one', 'web.log')]
  const kept = await Promise.all(names.map((name) => readFile(join(evidence, name), 'utf8')))
  for (const text of kept) expect(text).toContain('[secret kkkkkk… removed]')
  expect(kept.join()).not.toContain('kkkkkkkk0123456789')
})

test('a copy for the run lies outside of it as long as that goes on, however it ends, and one of somebody else stays', async () => {
  const outside = await mkdtemp(join(tmpdir(), 'holdfast-outside-'))
  onTestFinished(() => rm(outside, { recursive: true, force: true }))
  const copy = (name: string, forRun?: true): Step => ({
    copy: { from: '@{unit}/key', to: { path: join(outside, name), mode: '0600' }, forRun },
  })
  const unit = (name: string, ...steps: Step[]) => oneshot(name, [], steps, [{ path: '@{unit}/key', text: 'a key' }])
  const ours = unit('ours', copy('ours', true), copy('lasting'))
  const plan = planOf({ one: [ours, unit('replaced', copy('beside', true), copy('replaced', true))] })
  const evidence = join(settings().runtimeDir, 'evidence-of-copies')
  const site = await processBackend.launch(plan, { evidence })
  expect((await readdir(outside)).toSorted()).toEqual(['beside', 'lasting', 'ours', 'replaced'])
  await writeFile(join(outside, 'replaced'), 'of another run')
  await site[Symbol.asyncDispose]()
  expect((await readdir(outside)).toSorted()).toEqual(['beside', 'lasting', 'replaced'])

  const dying = await processBackend.launch(plan, { evidence })
  onTestFinished(() => dying[Symbol.asyncDispose]().then(undefined, () => {}))
  await pretendDead(dying.run)
  await sweepRuns(backend)
  expect(await readdir(outside)).toEqual(['lasting'])
})

test('evidence names the programs that follow the run: all that dial, and no others', async () => {
  const evidence = await mkdtemp(join(tmpdir(), 'holdfast-evidence-'))
  onTestFinished(() => rm(evidence, { recursive: true, force: true }))
  const recordOf = async (program: { tool: string; dials?: true }) => {
    const plan = planOf({ one: [oneshot('version', [], [{ run: { program, args: ['version'] } }])] })
    await using site = await processBackend.launch(plan, { evidence: join(evidence, `dials-${program.dials}`) })
    return JSON.parse(await readFile(join(site.evidence, 'run.json'), 'utf8'))
  }
  const ours = await resolveTool('step', { overlay: true })

  expect(await recordOf({ tool: 'step', dials: true })).toMatchObject({ overlayBuilds: { step: ours.path } })
  expect(await recordOf({ tool: 'step' })).not.toHaveProperty('overlayBuilds')
})

test('a subnet is held by one run at a time', async () => {
  const first = await takeSubnet(new Set())
  const second = await takeSubnet(new Set([first.prefix]))

  expect(first.prefix).toMatch(/^127\.\d+\.\d+\.$/)
  expect(second.prefix).not.toBe(first.prefix)
  await Promise.all([first, second].map((subnet) => subnet[Symbol.asyncDispose]()))
})

test('nodes get the addresses of a subnet in their order, as many as it has', () => {
  const nodesOf = (count: number) => idlePlan(...Array.from({ length: count }, (_, index) => `n${index}`))
  const inBoth = nodesOf(2)
  inBoth.nodes.n0!.networks = ['out', 'in']
  inBoth.nodes.n1!.networks = ['in']

  expect(addressesIn('127.20.1.', nodesOf(2))).toEqual({
    lots: [{ n0: { default: '127.20.1.1' }, n1: { default: '127.20.1.2' } }],
    taken: 2,
  })
  expect(addressesIn('127.20.1.', inBoth, 2)).toEqual({
    lots: [
      { n0: { out: '127.20.1.1', in: '127.20.1.2' }, n1: { in: '127.20.1.3' } },
      { n0: { out: '127.20.1.4', in: '127.20.1.5' }, n1: { in: '127.20.1.6' } },
    ],
    taken: 6,
  })
  expect(strangersIn('127.20.1.', 250, 3)).toEqual(['127.20.1.251', '127.20.1.252', '127.20.1.253'])
  expect(() => strangersIn('127.20.1.', 250, 4)).toThrow(
    /4 addresses of nobody were asked for, and beside its nodes this run has 3/,
  )
  expect(() => addressesIn('127.20.1.', nodesOf(126), 2)).toThrow('runs 125 nodes that can be cut off')
  expect(() => addressesIn('127.20.1.', nodesOf(251))).toThrow('runs 250 nodes at most, and the plan has 251')
  const inMany = nodesOf(1)
  inMany.nodes.n0!.networks = Array.from({ length: 251 }, (_, at) => `net-${at}`)
  const counted = 'runs 250 nodes at most, each counted once for each of its networks, and the plan has 251'
  expect(() => addressesIn('127.20.1.', inMany)).toThrow(counted)
})

test('an unknown backend is refused with the known ones', () => {
  expect(() => backend('swarm')).toThrow(UnknownBackend)
  expect(() => backend('swarm')).toThrow('there is no backend "swarm"; known: process, ')
})

test('this machine has loopback addresses', async () => {
  expect(await loopbackMissing()).toBeUndefined()
})

test('units have users of their own only where they can: otherwise a plan with one is refused before anything is taken', async () => {
  let taken = 0
  const without = backendOf({
    ...processBackend,
    capabilities: { ownAddress: true },
    whyLacking: () => 'run it as root',
    take: () => Promise.reject(new Error(`taken ${++taken}`)),
  })
  const plan = planOf({ one: [{ ...webUnit('one'), user: 'nobody' }] })

  await expect(without.launch(plan, {})).rejects.toMatchObject({
    code: 'HOLDFAST_NOT_SUPPORTED',
    message: 'backend process has no ownUsers; run it as root',
  })
  expect(taken).toBe(0)
})

test.runIf(process.getuid?.() === 0)('somebody who is not root has no users to give, and is told so', () => {
  const users = new URL('../users.ts', import.meta.url).href
  const script = `import(${JSON.stringify(users)}).then(({ usersMissing }) => console.log(usersMissing()))`
  const node = [process.execPath, '--conditions=holdfast-source', '-e', script]
  const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--', ...node]

  expect(execFileSync('setpriv', asNobody, { encoding: 'utf8' })).toBe('run it as root\n')
})

test.runIf(usersMissing() === undefined)(
  'folders of runs that a user cannot come to are refused before launch',
  async () => {
    const plan = planOf({ one: [{ ...oneshot('nothing', [], []), user: 'nobody' }] })
    const before = process.env.HOLDFAST_RUNTIME_DIR
    const closed = await mkdtemp(join(tmpdir(), 'holdfast-closed-'))
    onTestFinished(() => rm(closed, { recursive: true, force: true }))
    onTestFinished(() => {
      process.env.HOLDFAST_RUNTIME_DIR = before
    })
    process.env.HOLDFAST_RUNTIME_DIR = join(closed, 'runs')

    await expect(processBackend.launch(plan, { evidence: join(closed, 'evidence') })).rejects.toMatchObject({
      code: 'HOLDFAST_RUNTIME_DIR_CLOSED',
      message: expect.stringContaining(`${closed} cannot be entered by others`),
    })
    expect(await readdir(join(closed, 'runs'))).toEqual([])
  },
)
