import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { backends } from '../shipped.ts'
import { backendNames } from './options.ts'

const main = join(import.meta.dirname, 'main.ts')

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function holdfast(...argv: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...argv], (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

test('the backends that options offer are those that there are', () => {
  expect(backendNames).toEqual(backends.map(({ name }) => name))
})

test('help goes to stdout, is no failure, and does not offer what is internal', async () => {
  const [{ code, stdout, stderr }, nothing, up] = await Promise.all([
    holdfast('--help'),
    holdfast(),
    holdfast('up', '--help'),
  ])

  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('holdfast up separate-auth')
  expect(nothing.stdout).toBe(stdout)
  expect(stdout).not.toMatch(/^ {2}start/m)
  expect(up.stdout).toContain('--json')
  expect(up.stdout).not.toContain('--background')
})

describe('a wrong command line is told on stderr, with exit code 2', () => {
  test.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['up'], "missing required argument 'topology'"],
    [['up', 'a', 'b'], 'too many arguments'],
    [['demo'], "missing required argument 'topology'"],
    [['demo', 'a', '--backend', 'cloud'], 'Allowed choices are process'],
    [['lits'], 'Did you mean list?'],
    [['test', '--set', 'nodes'], 'key=value'],
    [['test', '--set', 'a=1', '--set', 'a=2'], '"a" is set twice'],
    [['test', '--backend', 'cloud'], '--backend names the backend "cloud"; write one of process'],
    [['test', '--backend', 'process,cloud'], 'code HOLDFAST_BACKEND_UNKNOWN'],
    [['test', '--backend', 'process, process'], 'names the backend "process" twice'],
    [['test', '--backend', 'process,process'], 'code HOLDFAST_BACKEND_TWICE'],
    [['demo', 'a', '--backend', 'process,process'], 'Allowed choices are process'],
    [['down', '--nonsense'], "unknown option '--nonsense'"],
  ])('%j', async (argv, words) => {
    const { code, stdout, stderr } = await holdfast(...argv)

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(words)
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})

test.each([
  [['up', 'no-such-topology'], 'HOLDFAST_TOPOLOGY_UNKNOWN'],
  [['demo', 'no-such-topology'], 'HOLDFAST_TOPOLOGY_UNKNOWN'],
  [['demo', 'shared-auth', '--set', 'nodse=3'], 'HOLDFAST_PARAMETER_INVALID'],
  [['up', 'no-such-topology', '--detach'], 'HOLDFAST_DETACHED_RUN_FAILED'],
  [['check', './no-such-file.json'], 'HOLDFAST_TOPOLOGY_UNKNOWN'],
  [['check', 'shared-auth', '--set', 'nodse=3'], 'HOLDFAST_PARAMETER_INVALID'],
  [['test', 'no-such-scenario'], 'HOLDFAST_NO_SCENARIO'],
  [['test'], 'HOLDFAST_BACKEND_UNKNOWN'],
  [['down', 'no-such-run'], 'HOLDFAST_NOT_RUNNING'],
  [['down', 'a', '--all'], 'HOLDFAST_USAGE'],
  [['check', 'shared-auth', '--picture', 'svg', '--matrix'], 'HOLDFAST_USAGE'],
  [['check', 'shared-auth', '--schema'], 'HOLDFAST_USAGE'],
  [['test', '--nonsense'], 'HOLDFAST_USAGE'],
])('what the command line names wrongly is exit code 2, and JSON where JSON was asked for: %j', async (argv, code) => {
  vi.stubEnv('HOLDFAST_BACKEND', code === 'HOLDFAST_BACKEND_UNKNOWN' ? 'cloud' : '')
  const asked = await holdfast(...argv, '--json')
  vi.unstubAllEnvs()

  expect(asked.code).toBe(2)
  expect(JSON.parse(asked.stdout)).toEqual({ error: { code, message: expect.any(String) } })
  expect(asked.stderr).not.toMatch(/^\s+at /m)
})

test('a topology that cannot be read is exit code 1, in one JSON value', async () => {
  const { code, stdout } = await holdfast('check', join(import.meta.dirname, 'exit-code.ts'), '--json')

  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: expect.stringMatching(/^HOLDFAST_/) } })
})

test('what cannot be done is told with its code, without a stack', async () => {
  const { code, stdout, stderr } = await holdfast('down', 'no-such-run')

  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('no run is called "no-such-run"')
  expect(stderr).toContain('HOLDFAST_NOT_RUNNING')
  expect(stderr).not.toMatch(/^\s+at /m)
})

test('a topology that is not there is told as such, and as no filter of scenarios', async () => {
  const { code, stderr } = await holdfast('test', './nolab.json')

  expect(code).toBe(2)
  expect(stderr).toMatch(/nolab\.json/)
  expect(stderr).not.toContain('no scenario')
})

test('a filter that fits no scenario is a failure, not an empty success', async () => {
  const { code, stderr } = await holdfast('test', 'no-such-scenario')

  expect(code).toBe(2)
  expect(stderr).toContain('HOLDFAST_NO_SCENARIO')
})
