import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

/** A clone in small: the real bootstrap, a lock file with one package, and an npm that notes that it was called. */
let clone: string

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'bootstrap-'))
  await mkdir(join(clone, 'harness', 'cli'), { recursive: true })
  await mkdir(join(clone, 'bin'))
  for (const file of ['bootstrap.mjs', 'bin/program.mjs', 'bin/launch.mjs', 'bin/holdfast.mjs']) {
    await copyFile(join(import.meta.dirname, '..', file), join(clone, file))
  }
  await lock('1.0.0')
  await main(
    'console.log(JSON.stringify(process.argv.slice(2)), process.execArgv.includes("--conditions=holdfast-source"))',
  )
  await npm('mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json')
})

afterEach(() => rm(clone, { recursive: true, force: true }))

async function lock(version: string): Promise<void> {
  const optional = { version: '1.0.0', optional: true }
  const packages = { '': {}, 'node_modules/a': { version }, 'node_modules/other-platform': optional }
  await writeFile(join(clone, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }))
}

async function main(code: string): Promise<void> {
  await writeFile(join(clone, 'harness', 'cli', 'main.ts'), code)
}

async function npm(body: string): Promise<void> {
  const file = join(clone, 'bin', 'npm')
  await writeFile(file, `#!/bin/sh\necho "$@" >> ${clone}/calls\ncd ${clone}\n${body}\n`)
  await chmod(file, 0o755)
}

async function calls(): Promise<number> {
  const text = await readFile(join(clone, 'calls'), 'utf8').catch(() => '')
  return text.split('\n').filter(Boolean).length
}

function environment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: [join(clone, 'bin'), process.env.PATH].join(delimiter),
    HOLDFAST_CACHE_DIR: join(clone, 'cache'),
  }
}

function bootstrap(...args: string[]): Promise<{ code: unknown; signal: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(clone, 'bootstrap.mjs'), ...args],
      { env: environment() },
      (failure, stdout, stderr) => {
        resolve({ code: failure?.code ?? 0, signal: failure?.signal, stdout, stderr })
      },
    )
  })
}

test('the first command installs, goes on, and keeps stdout for the command', async () => {
  expect(await bootstrap('holdfast', 'list', '--json')).toEqual({
    code: 0,
    signal: undefined,
    stdout: '["list","--json"] true\n',
    stderr: '… install    packages of package-lock.json: once, some seconds\n',
  })
  expect(await bootstrap('start')).toMatchObject({ stdout: '["demo","separate-auth"] true\n', stderr: '' })
  expect(await calls()).toBe(1)
})

test('a lock file that changed is installed; one that is installed already is not', async () => {
  await bootstrap('holdfast')
  await lock('1.0.1')
  expect(await bootstrap('holdfast')).toMatchObject({ code: 0 })
  expect(await calls()).toBe(2)

  await lock('1.0.2')
  await copyFile(join(clone, 'package-lock.json'), join(clone, 'node_modules', '.package-lock.json'))
  await bootstrap('holdfast')
  expect(await calls()).toBe(2)
})

test('a clone with everything in it runs though nothing can be written there', async () => {
  await bootstrap('holdfast')
  await lock('1.0.1')
  await copyFile(join(clone, 'package-lock.json'), join(clone, 'node_modules', '.package-lock.json'))
  const stamp = join(clone, 'node_modules', '.holdfast-installed')
  await rm(stamp)
  await symlink(join(clone, 'nowhere', 'stamp'), stamp)

  expect(await bootstrap('holdfast')).toMatchObject({ code: 0, stdout: '[] true\n' })
})

test('two first commands at once install once', async () => {
  await npm(
    `while ! [ -e waiting ]; do sleep 0.02; done; mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json`,
  )
  const both = [bootstrap('holdfast', 'one'), bootstrap('holdfast', 'two')]
  await Promise.all([both[0], both[1], untilCalled().then(() => writeFile(join(clone, 'waiting'), ''))])

  const [one, two] = await Promise.all(both)
  expect([one?.stdout, two?.stdout]).toEqual(['["one"] true\n', '["two"] true\n'])
  expect(await calls()).toBe(1)
})

test('a first command while npm writes what it has installed waits for that', async () => {
  await npm(
    `mkdir -p node_modules && printf '{' >node_modules/.package-lock.json; while ! [ -e waiting ]; do sleep 0.02; done; cp package-lock.json node_modules/.package-lock.json`,
  )
  const one = bootstrap('holdfast', 'one')
  await expect.poll(() => existsSync(join(clone, 'node_modules', '.package-lock.json')), { timeout: 10_000 }).toBe(true)
  const two = spawn(process.execPath, [join(clone, 'bootstrap.mjs'), 'holdfast', 'two'], { env: environment() })
  const ended = once(two, 'close')
  const [said] = await once(two.stderr, 'data')
  await writeFile(join(clone, 'waiting'), '')

  expect(String(said)).toContain('another run is installing the packages')
  expect([await one, await ended]).toMatchObject([{ code: 0 }, [0, null]])
  expect(await calls()).toBe(1)
})

async function untilCalled(): Promise<void> {
  await expect.poll(calls, { timeout: 10_000 }).toBe(1)
}

test('an install that fails says so, and is tried again', async () => {
  await npm('exit 1')
  expect(await bootstrap('holdfast')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('error: npm ci failed'),
  })
  await npm('mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json')
  expect(await bootstrap('holdfast')).toMatchObject({ code: 0, stdout: '[] true\n' })
})

test('the exit code, and the signal that ended it, are passed on', async () => {
  await main('process.exit(7)')
  expect(await bootstrap('holdfast')).toMatchObject({ code: 7 })
  await main('process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)')
  expect(await bootstrap('holdfast')).toMatchObject({ signal: 'SIGTERM' })
})

const launchers = [
  { file: 'bootstrap.mjs', args: ['holdfast'] },
  { file: 'bin/holdfast.mjs', args: [] },
]
const signals = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const
test.each(signals.flatMap((signal) => launchers.map((launcher) => ({ signal, ...launcher }))))(
  'a $signal to the process of $file reaches the program that it started, which ends as it likes',
  async ({ signal, file, args }) => {
    await main(`process.on('${signal}', () => process.exit(7)); setInterval(() => {}, 1000); console.log(process.pid)`)
    const launcher = spawn(process.execPath, [join(clone, file), ...args], { env: environment() })
    const [pid] = await once(launcher.stdout, 'data')
    launcher.kill(signal)

    expect(await once(launcher, 'close')).toEqual([7, null])
    expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH')
  },
)

test('whoever npm starts by a shell ends when that shell was ended', async () => {
  await main(`process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1000); console.log(process.pid)`)
  const command = `'${process.execPath}' '${join(clone, 'bin/holdfast.mjs')}'; true`
  const shell = spawn('sh', ['-c', command], { env: { ...environment(), npm_command: 'exec' } })
  const [pid] = await once(shell.stdout, 'data')
  shell.kill('SIGTERM')
  await once(shell, 'close')

  // It held the output.
  expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH')
})

test.runIf(process.platform === 'linux')(
  'whoever npm starts by a shell ends when npm was ended, and the shell was not',
  async () => {
    await main(`process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1000); console.log(process.pid)`)
    const INNER = `'${process.execPath}' '${join(clone, 'bin/holdfast.mjs')}'; true`
    const npm = spawn('sh', ['-c', 'sh -c "$INNER"; true'], { env: { ...environment(), INNER, npm_command: 'exec' } })
    const [pid] = await once(npm.stdout, 'data')
    npm.kill('SIGHUP')
    await once(npm, 'close')

    expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH')
  },
)

/** Two shells, as npm and that of npm, in a session of their own; the inner one, by its pid, starts the launcher once the file `may` is there. */
async function npmWithAShell(inner = 'sh -c "$INNER"') {
  await main(`console.log('started'); setTimeout(() => process.exit(7), 50)`)
  const launch = `'${process.execPath}' '${join(clone, 'bin/holdfast.mjs')}'`
  const INNER = `(while ! [ -e '${clone}/may' ]; do sleep 0.02; done; exec ${launch}) & echo $$; wait $!; echo "ended with $?"`
  const env = { ...environment(), INNER, npm_command: 'exec' }
  const npm = spawn('sh', ['-c', `${inner}; true`], { env, detached: true })
  let said = ''
  npm.stdout.on('data', (text) => (said += text))
  const [shell] = await once(npm.stdout, 'data')
  const ended = once(npm, 'close').then(() => said.replace(String(shell), ''))
  return { npm, shell: Number(shell), ended, may: () => writeFile(join(clone, 'may'), '') }
}

const onLinux = test.runIf(process.platform === 'linux')

onLinux.each(['npm', 'its shell'])('what %s had not come to start when it was ended does not begin', async (who) => {
  const { npm, shell, ended, may } = await npmWithAShell()
  process.kill(who === 'npm' ? npm.pid! : shell, 'SIGTERM')
  if (who === 'npm') await once(npm, 'exit')
  else await expect.poll(() => existsSync(`/proc/${shell}`)).toBe(false)
  await may()

  // 143 is what SIGTERM comes to.
  expect(await ended).toBe(who === 'npm' ? 'ended with 143\n' : '')
})

onLinux.each(['sh -c "$INNER"', 'setsid --wait sh -c "$INNER"'])('what npm starts by %s begins', async (inner) => {
  const { ended, may } = await npmWithAShell(inner)
  await may()

  expect(await ended).toBe('started\nended with 7\n')
})

test('an install that is ended takes npm with it', async () => {
  await npm('echo $$ > pid; exec sleep 600')
  const launcher = spawn(process.execPath, [join(clone, 'bootstrap.mjs'), 'holdfast'], { env: environment() })
  const pid = async () => Number(await readFile(join(clone, 'pid'), 'utf8').catch(() => '0'))
  await expect.poll(pid, { timeout: 10_000 }).toBeGreaterThan(0)
  launcher.kill('SIGTERM')

  expect(await once(launcher, 'close')).toEqual([null, 'SIGTERM'])
  const npmPid = await pid()
  expect(() => process.kill(npmPid, 0)).toThrow('ESRCH')
})

test('a word that is no script names those that are', async () => {
  expect(await bootstrap('strat')).toMatchObject({ code: 1, stderr: expect.stringContaining('start|holdfast') })
})
