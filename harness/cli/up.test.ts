import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startTime } from '../backends/processes.ts'
import { userEnvironment } from '../settings.ts'
import { renderSite, type SiteDescription } from './describe-site.ts'

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
  // Databases run as users of their own, who must get to their folders.
  await chmod(cwd, 0o711)
  site = JSON.parse((await holdfast('up', 'separate-auth', '--detach', '--json')).stdout) as SiteDescription
}, 300_000)

afterAll(async () => {
  await holdfast('down', '--all')
  await rm(cwd, { recursive: true, force: true })
}, 300_000)

/** The last line is the status; a WebSocket is left by curl's own limit of time. */
async function pasted(command: string): Promise<{ status: string; text: string }> {
  const stdout = await run('sh', ['-c', command]).then(
    (ended) => ended.stdout,
    (failure: { code: number; stdout: string }) => (failure.code === 28 ? failure.stdout : Promise.reject(failure)),
  )
  return { status: stdout.trim().split('\n').at(-1) ?? '', text: stdout }
}

test('every command that it prints works in a shell as it stands, and what it calls refused is refused', async () => {
  const calls = site.nodes.flatMap((node) => node.calls.map((call) => ({ node: node.name, ...call })))
  const answers = await Promise.all(
    calls.map(async ({ node, summary, command, expected }) => {
      const { status } = await pasted(command)
      return {
        what: `${node}: ${summary}`,
        status,
        right: (expected === 'accepted' ? /^(20[01]|101)$/ : /^401$/).test(status),
      }
    }),
  )

  expect(answers.filter(({ right }) => !right)).toEqual([])
  expect(answers.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      'ca-a: is ca ready',
      'node-a: node:read as node-a, with node-a',
      'node-a: peering:connect as node-b, with peer-b-to-a',
      'node-a: refused: node:read without the token',
      'node-a: refused: node:read with the token stolen, over cert-auth-a',
    ]),
  )
  const connect = calls.find(({ node, summary }) => node === 'node-a' && summary.startsWith('peering:connect'))!
  // The first frame says who has been reached.
  expect((await pasted(connect.command)).text).toMatch(/^HTTP\/1\.1 101 [\s\S]*"node":\s*"node-a"/)
}, 300_000)

test('the text names the folder of the nodes once, and its lines work below that line', async () => {
  const lines = renderSite(site)
    .split('\n')
    .map((line) => line.trim())
  const folder = lines.find((line) => line.startsWith('D='))!
  const commands = lines.filter((line) => line.startsWith('curl '))
  const read = commands.find((line) => line.includes('/v1/state'))!

  expect(commands.join('\n')).not.toContain(folder.slice(2))
  expect(await pasted(`${folder}\n${read}`)).toMatchObject({ status: '200' })
  expect(lines).toContain(`end it with  npx holdfast down ${site.run}   or Ctrl-C where it runs`)
})

test('what the commands present is what is accepted: without the token, the answer is another one', async () => {
  const read = site.nodes.flatMap(({ calls }) => calls).find(({ summary }) => summary.startsWith('node:read'))!.command
  const { stdout } = await run('sh', ['-c', read.replace(/-H "Authorization[^)]*\)" /, '')])

  expect(stdout.trim().split('\n').at(-1)).toBe('401')
})

interface Ended {
  readonly stderr: string
  readonly code?: number
}

test('the commands of a broker start a client that finds its host, and what they call refused is refused', async () => {
  const broker = JSON.parse((await holdfast('up', 'nats-orchestrator', '--detach', '--json')).stdout) as SiteDescription
  onTestFinished(async () => void (await holdfast('down', broker.run)))
  const calls = broker.nodes
    .find(({ name }) => name === 'nats-1')!
    .calls.filter(({ command }) => !/^curl /.test(command))
  const answers = await Promise.all(
    calls.map(async ({ summary, command, expected }) => {
      // A login alone is told by its text only: `rtt` ends well either way.
      const ended: Ended = await run('sh', ['-c', command]).catch((failure: Ended) => failure)
      const { stderr, code = 0 } = ended
      const isRefused = / Violation/i.test(stderr)
      return { summary, stderr, right: expected === 'refused' ? isRefused : code === 0 && !isRefused }
    }),
  )

  expect(answers.filter(({ right }) => !right)).toEqual([])
  expect(answers.map(({ summary }) => summary)).toEqual(
    expect.arrayContaining([
      'nats:connect as orchestrator, with creds-orchestrator',
      'nats:connect as host-1, with creds-host-1',
      'refused: nats:publish/WORKLOAD.host-2.status as orchestrator, with creds-orchestrator',
      'refused: nats:connect as orchestrator, without creds-admin',
      'refused: nats:publish/WORKLOAD.host-1.cmd.x as host-1, with creds-host-1',
    ]),
  )
}, 300_000)

test('what lies in no file is made to be called with: each scope lists, gets and searches, and is refused the rest', async () => {
  const federation = JSON.parse((await holdfast('up', 'federation', '--detach', '--json')).stdout) as SiteDescription
  onTestFinished(async () => void (await holdfast('down', federation.run)))
  const { calls } = federation.nodes.find(({ name }) => name === 'gateway-b')!
  const answers = await Promise.all(
    calls.map(async ({ summary, command, expected }) => {
      // Without a certificate there is no answer at all: 000.
      const { status } = await pasted(`${command} || true`)
      return { summary, status, right: (expected === 'accepted' ? /^200$/ : /^(403|000)$/).test(status) }
    }),
  )

  expect(answers.filter(({ right }) => !right)).toEqual([])
  const verbs = ['capabilities', 'list/tasks', 'search/tasks']
  const scopes = ['scope-a', 'scope-b', 'scope-c', 'scope-all']
  expect(answers.map(({ summary }) => summary)).toEqual(
    expect.arrayContaining([
      ...scopes.flatMap((scope) => verbs.map((verb) => `federation:${verb} as gateway-a, with ${scope}`)),
      'federation:get/tasks/of-t1 as gateway-a, with scope-b',
      'refused: federation:list/notes as gateway-a, with scope-b',
      'refused: federation:capabilities as gateway-a, without scope-all',
    ]),
  )
  expect(JSON.stringify(federation)).not.toContain('PRIVATE KEY')
}, 300_000)

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

/** A site in the foreground, with what it has printed so far. */
function foreground() {
  const child = spawn(process.execPath, [main, 'up', 'separate-auth', '--json'], {
    cwd,
    env: userEnvironment({ HOLDFAST_RUNTIME_DIR: join(cwd, 'runtime') }),
  })
  const printed = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      printed[stream] += text
    })
  }
  return { child, printed }
}

test('evidence that is taken away keeps nothing from being released, and is told of last', async () => {
  const { child, printed } = foreground()
  await expect.poll(() => printed.stdout, { timeout: 60_000 }).toMatch(/^}/m)
  const { run, evidence } = JSON.parse(printed.stdout) as SiteDescription
  await rm(evidence, { recursive: true })
  child.kill('SIGTERM')

  expect(await once(child, 'close')).toEqual([143, null])
  expect(existsSync(join(cwd, 'runtime', run))).toBe(false)
  const told = `evidence   ${join('.holdfast', 'runs', run)} was taken away while the run went on: it is not complete`
  expect(printed.stderr).toMatch(
    new RegExp(`! ${told}\\ninterrupted by SIGTERM; everything that was started is released\\n$`),
  )
}, 90_000)

test('a run whose results nobody reads any more releases all, and ends as by SIGPIPE', async () => {
  const { child, printed } = foreground()
  await expect.poll(() => printed.stderr, { timeout: 60_000 }).toContain('toolchain')
  for (const stream of [child.stdout, child.stderr]) stream.destroy()

  expect(await once(child, 'exit')).toEqual([141, null])
  expect(await readdir(join(cwd, 'runtime'))).toEqual([site.run])
}, 90_000)

test('a run of another folder is ended only by its name', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'holdfast-elsewhere-'))
  try {
    const env = userEnvironment({ HOLDFAST_RUNTIME_DIR: join(cwd, 'runtime') })
    const { stdout, stderr } = await run(process.execPath, [main, 'down', '--all'], { cwd: elsewhere, env })

    expect(stdout).toBe('nothing is running from this folder\n')
    expect(stderr).toContain(`npx holdfast down ${site.run}`)
    expect(stderr).toContain(cwd)
    expect(stderr).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/)
    expect(await startTime(site.pid)).toBeDefined()
  } finally {
    await rm(elsewhere, { recursive: true })
  }
})

test('holdfast up says who ended it, and that is no failure', async () => {
  const small = join(import.meta.dirname, '..', '..', 'docs', 'guides', 'examples', 'one-gateway.json')
  const child = spawn(process.execPath, [main, 'up', small, '--json'], {
    cwd,
    env: userEnvironment({ HOLDFAST_RUNTIME_DIR: join(cwd, 'runtime') }),
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  await expect.poll(() => stdout, { timeout: 200_000 }).toMatch(/\n}\n$/)
  const ended = once(child, 'exit')
  await holdfast('down', (JSON.parse(stdout) as SiteDescription).run)

  expect(await ended).toEqual([0, null])
  expect(stderr).toContain('ended by holdfast down')
  expect(stderr).not.toContain('interrupted')
}, 300_000)

test('down ends it, and leaves the evidence but no process and no key', async () => {
  const { stdout } = await holdfast('down', '--json')

  expect(JSON.parse(stdout)).toEqual({ ended: [site.run] })
  expect(await startTime(site.pid)).toBeUndefined()
  expect(existsSync(dirname(dirname(site.nodes[0]!.dir)))).toBe(false)
  expect(existsSync(join(site.evidence, 'history.jsonl'))).toBe(true)
  expect((await holdfast('down')).stdout).toBe('nothing is running from this folder\n')
}, 300_000)
