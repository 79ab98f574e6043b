import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTime } from '../backends/process/processes.ts'
import { userEnvironment } from '../settings.ts'
import type { SiteDescription } from './describe-site.ts'

const run = promisify(execFile)
const main = join(import.meta.dirname, 'main.ts')
let cwd: string
let site: SiteDescription

function holdfast(...argv: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [main, ...argv], {
    cwd,
    env: userEnvironment({ HOLDFAST_RUNTIME_DIR: join(cwd, 'runtime') }),
  })
}

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'holdfast-up-'))
  site = JSON.parse((await holdfast('up', 'separate-auth', '--detach', '--json')).stdout) as SiteDescription
}, 300_000)

afterAll(async () => {
  await holdfast('down', '--all')
  await rm(cwd, { recursive: true, force: true })
}, 60_000)

test('every command that it prints works in a shell as it stands', async () => {
  const calls = site.nodes.flatMap((node) => node.calls.map((call) => ({ node: node.name, ...call })))
  const answers = await Promise.all(
    calls.map(async ({ node, summary, command }) => {
      const { stdout } = await run('sh', ['-c', command])
      return { what: `${node}: ${summary}`, status: stdout.trim().split('\n').at(-1) }
    }),
  )

  expect(answers.filter(({ status }) => !/^20[01]$/.test(status ?? ''))).toEqual([])
  expect(answers.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['ca-a: is ca ready', 'node-a: node:read as node-a, with node-a']),
  )
})

test('what the commands present is what is accepted: without the token, the answer is another one', async () => {
  const read = site.nodes.flatMap(({ calls }) => calls).find(({ summary }) => summary.startsWith('node:read'))!.command
  const { stdout } = await run('sh', ['-c', read.replace(/--header "Authorization[^)]*\)" /, '')])

  expect(stdout.trim().split('\n').at(-1)).toBe('401')
})

test('no secret stands in what is printed', async () => {
  const printed = JSON.stringify(site)

  expect(printed).not.toMatch(/eyJ[\w-]+\./)
  expect(printed).not.toContain('PRIVATE KEY')
})

test('logs are where it says', async () => {
  const node = site.nodes.find(({ name }) => name === 'node-a')!
  const unit = node.units.find(({ kind }) => kind === 'orchestrator')!

  expect(await readFile(unit.logs!, 'utf8')).not.toBe('')
  expect(await readFile(join(site.evidence, 'up.log'), 'utf8')).toContain('ready')
})

test('down ends it, and leaves the evidence but no process and no key', async () => {
  const { stdout } = await holdfast('down', '--json')

  expect(JSON.parse(stdout)).toEqual({ ended: [site.run] })
  expect(await startTime(site.pid)).toBeUndefined()
  expect(existsSync(dirname(dirname(site.nodes[0]!.dir)))).toBe(false)
  expect(existsSync(join(site.evidence, 'history.jsonl'))).toBe(true)
  expect((await holdfast('down')).stdout).toBe('nothing is running\n')
}, 60_000)
