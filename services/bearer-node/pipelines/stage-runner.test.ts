import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { until } from '../../shared/testing/service-process.ts'
import { NodeTime, SimTime } from '../cluster/testing/sim-time.ts'
import { timeOf } from '../cluster/time.ts'
import { paramsCheck } from './params.ts'
import { createStageRunner, type StageRun, type StageRunner } from './stage-runner.ts'
import { CANONICAL } from './stages/canonical.ts'

// Real programs. Where time is needed it is set.

const root = mkdtempSync(join(tmpdir(), 'holdfast-stages-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const real = timeOf({ monotonicMs: () => performance.now(), wallMs: Date.now })
let made = 0

function runner(time = real): StageRunner & { folder: string } {
  const folder = join(root, `stages-${made++}`)
  return { folder, ...createStageRunner({ folder, path: process.env.PATH ?? '', time }) }
}

const node = (code: string): string[] => [process.execPath, '-e', code]
const stage = (argv: readonly string[], more: Partial<StageRun> = {}): StageRun => ({
  ...{ run: 'run-1', stage: 'selfplay', argv, timeoutMs: 60_000, params: {}, inputs: {}, ...more },
})

test('a stage gets its parameters, its inputs, a folder of its own and nothing else', async () => {
  process.env.HOLDFAST_CLUSTER_AUTH_TOKEN = 'of-this-node-alone'
  const { folder, start } = runner()
  const code = `
    const input = require('node:fs').readFileSync(0, 'utf8')
    const { mode } = require('node:fs').statSync('.')
    require('node:fs').writeFileSync('left-behind', '')
    console.log(JSON.stringify({ env: process.env, input, mode: mode & 0o777, argv: process.argv.slice(1), cwd: process.cwd() }))`
  const params = { games: 20, name: 'plain text', list: [1], 'learning-rate': 0.5 }
  const run = start(stage([...node(code), '$HOME', '; echo no'], { params, inputs: { first: { x: 1 } } }))
  const result = (await run.ended) as { output: Record<string, unknown> }
  delete process.env.HOLDFAST_CLUSTER_AUTH_TOKEN

  expect(result).toMatchObject({ state: 'succeeded', output: { mode: 0o700, argv: ['$HOME', '; echo no'] } })
  expect(result.output.env).toEqual({
    ...{ PATH: process.env.PATH, HOLDFAST_RUN_ID: 'run-1', HOLDFAST_STAGE: 'selfplay' },
    ...{ HOLDFAST_PARAM_GAMES: '20', HOLDFAST_PARAM_NAME: 'plain text', HOLDFAST_PARAM_LIST: '[1]' },
    HOLDFAST_PARAM_LEARNING_RATE: '0.5',
  })
  expect(JSON.parse(result.output.input as string)).toEqual({ first: { x: 1 } })
  expect(String(result.output.cwd)).toContain(folder)
  expect(existsSync(String(result.output.cwd))).toBe(false)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
})

test.each<[string, string[], unknown]>([
  ['JSON', node('console.log("[1]")'), { state: 'succeeded', output: [1] }],
  ['64 KiB of it', node('process.stdout.write(JSON.stringify("x".repeat(65534)))'), { state: 'succeeded' }],
  ['one byte more', node('process.stdout.write(JSON.stringify("x".repeat(65535)))'), failed('output_too_large')],
  [
    'without end',
    node('const put = () => process.stdout.write("1".repeat(65536), put); put()'),
    failed('output_too_large'),
  ],
  ['numbers that grow', node(`process.stdout.write("[" + Array(4000).fill("1e20") + "]")`), failed('output_too_large')],
  ['no JSON', node('console.log("done")'), failed('output_invalid')],
  ['two values', node('console.log("1 2")'), failed('output_invalid')],
  ['nothing', node(''), failed('output_invalid')],
  ['no UTF-8', node('process.stdout.write(Buffer.from([34, 255, 34]))'), failed('output_invalid')],
  ['JSON, and fails', node('console.log("1"); process.exitCode = 3'), failed('exit_3')],
  ['nothing, as it is killed', node('process.kill(process.pid, "SIGSEGV")'), failed('exit_sigsegv')],
  ['nothing, as it is not there', ['/nowhere/to-be-found'], failed('not_started')],
])('a stage that puts out %s', async (_, argv, expected) => {
  const { folder, start } = runner()

  expect(await start(stage(argv)).ended).toMatchObject(expected as object)
  expect(readdirSync(folder)).toEqual([])
})

function failed(reason: string) {
  return { state: 'failed', reason }
}

test('a parameter that no environment can hold is a stage that does not start', async () => {
  const { start } = runner()
  expect(await start(stage(node('1'), { params: { x: 'a\0b' } })).ended).toEqual(failed('not_started'))
})

/** A stage that starts another process, tells both ids in a file once that one is up, and goes on until it is ended. */
function family(file: string, onTerm = ''): string[] {
  const child = `${onTerm}; console.log('up'); setInterval(() => {}, 1000)`
  return node(`
    ${onTerm}
    const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}])
    child.stdout.once('data', () => {
      require('node:fs').writeFileSync(${JSON.stringify(file)}, process.pid + ' ' + child.pid)
    })
    setInterval(() => {}, 1000)`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A process that has ended and that nobody has asked about is none any more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function pidsIn(file: string): Promise<number[]> {
  await until(() => existsSync(file) && readFileSync(file, 'utf8').includes(' '), 'the stage to run')
  return readFileSync(file, 'utf8').split(' ').map(Number)
}

test('cancelling ends a stage with all that it started, within 2 s', async () => {
  const { start } = runner()
  const file = join(root, 'cancelled')
  const run = start(stage(family(file)))
  const pids = await pidsIn(file)
  expect(pids.map(isAlive)).toEqual([true, true])
  const began = performance.now()
  run.cancel()

  expect(await run.ended).toEqual(failed('cancelled'))
  expect(performance.now() - began).toBeLessThan(2_000)
  await until(() => !pids.some(isAlive), 'both to have ended')
})

test('a stage that does not end when it is told to is killed 5 s later, and not before', async () => {
  const world = new SimTime()
  const { start } = runner(new NodeTime(world, { rate: 1, aheadMs: 0 }))
  const file = join(root, 'stubborn')
  const run = start(stage(family(file, 'process.on("SIGTERM", () => {})')))
  const pids = await pidsIn(file)
  run.cancel()
  await world.advance(4_999)
  expect(pids.map(isAlive)).toEqual([true, true])

  await world.advance(1)
  expect(await run.ended).toEqual(failed('cancelled'))
  await until(() => !pids.some(isAlive), 'both to have ended')
})

test('a stage has its time, and no more', async () => {
  const world = new SimTime()
  const { start } = runner(new NodeTime(world, { rate: 1, aheadMs: 0 }))
  const file = join(root, 'late')
  const run = start(stage(family(file), { timeoutMs: 3_000 }))
  const pids = await pidsIn(file)
  await world.advance(2_999)
  expect(pids.map(isAlive)).toEqual([true, true])

  await world.advance(1)
  expect(await run.ended).toEqual(failed('timeout'))
})

test('what a stage leaves running ends with it', async () => {
  const { start } = runner()
  const file = join(root, 'left')
  const code = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
    require('node:fs').writeFileSync(${JSON.stringify(file)}, process.pid + ' ' + child.pid)
    console.log('1')
    process.exit(0)`

  expect(await start(stage(node(code))).ended).toEqual({ state: 'succeeded', output: 1 })
  const pids = await pidsIn(file)
  await until(() => !pids.some(isAlive), 'both to have ended')
})

test('the three stages that ship play, count and compare, and the same numbers make the same', async () => {
  const pipeline = CANONICAL.canonical_selfplay!
  const { params } = paramsCheck('p', pipeline.params)({ games: 200, start: 7 }) as { params: Record<string, unknown> }
  const whole = async (given: Record<string, unknown>): Promise<Record<string, Record<string, unknown>>> => {
    const outputs: Record<string, unknown> = {}
    for (const { name, argv, needs } of pipeline.stages) {
      const inputs = Object.fromEntries(needs.map((one) => [one, outputs[one]]))
      const result = await runner().start(stage(argv, { stage: name, params: given, inputs })).ended
      expect(result).toMatchObject({ state: 'succeeded' })
      outputs[name] = (result as { output: unknown }).output
    }
    return outputs as Record<string, Record<string, unknown>>
  }
  const one = await whole(params)
  const games = one.selfplay!.games as { moves: string; result: string }[]
  expect(games).toHaveLength(200)
  expect(new Set(games.map(({ result }) => result))).toEqual(new Set(['first', 'second', 'draw']))
  const counted = (table: unknown): number =>
    Object.values(table as Record<string, number[]>)
      .flat()
      .reduce((a, b) => a + b, 0)
  expect([counted(one.train!.trained), counted(one.train!.held)]).toEqual([100, 100])
  expect(one.evaluate).toMatchObject({ games: 200, digest: expect.stringMatching(/^[0-9a-f]{64}$/) })

  expect((await whole(params)).evaluate).toEqual(one.evaluate)
  expect((await whole({ ...params, start: 8 })).evaluate!.digest).not.toBe(one.evaluate!.digest)
})

test('the most games that may be asked for fit into what a stage may put out', async () => {
  const [selfplay] = CANONICAL.canonical_selfplay!.stages
  const result = await runner().start(stage(selfplay!.argv, { params: { games: 1_000, start: 2_147_483_647 } })).ended
  expect(result).toMatchObject({ state: 'succeeded' })
})
