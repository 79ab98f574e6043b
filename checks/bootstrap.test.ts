import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

/** A clone in small: the real bootstrap, a lock file with one package, and an npm that notes that it was called. */
let clone: string

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'bootstrap-'))
  await copyFile(join(import.meta.dirname, '..', 'bootstrap.mjs'), join(clone, 'bootstrap.mjs'))
  await mkdir(join(clone, 'harness', 'cli'), { recursive: true })
  await mkdir(join(clone, 'bin'))
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

function bootstrap(...args: string[]): Promise<{ code: unknown; signal: unknown; stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    PATH: [join(clone, 'bin'), process.env.PATH].join(delimiter),
    HOLDFAST_CACHE_DIR: join(clone, 'cache'),
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [join(clone, 'bootstrap.mjs'), ...args], { env }, (failure, stdout, stderr) => {
      resolve({ code: failure?.code ?? 0, signal: failure?.signal, stdout, stderr })
    })
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

test('a word that is no script names those that are', async () => {
  expect(await bootstrap('strat')).toMatchObject({ code: 1, stderr: expect.stringContaining('start|holdfast') })
})
