import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { bareEnvironment } from '../../shared/testing/environment.ts'
import { outputOf, type Ran } from '../../shared/testing/output.ts'
import { refOf } from '../token/ref.ts'
import { isToken } from '../token/token-text.ts'
import { addCommands } from './add-commands.ts'

const OLD = `old-${'0'.repeat(40)}`
const NEW = `new-${'1'.repeat(40)}`
const top = mkdtempSync(join(tmpdir(), 'holdfast-bearer-commands-'))
afterAll(() => rmSync(top, { recursive: true }))

let folder: string
let made = 0
beforeEach(() => {
  made += 1
  folder = join(top, String(made))
  mkdirSync(folder, { mode: 0o700 })
})

function put(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const main = join(import.meta.dirname, '../main.ts')
  const flags = ['--disable-warning=ExperimentalWarning', main, ...args]
  const child = spawn(process.execPath, flags, { cwd: folder, env: { ...bareEnvironment, ...env } })
  const ran = await outputOf(child).ended
  for (const secret of [OLD, NEW]) {
    if (`${ran.stdout}${ran.stderr}`.includes(secret)) throw new Error('a token was printed')
  }
  return ran
}

const FILE = 'HOLDFAST_CLUSTER_AUTH_TOKEN_FILE'

function config(change: object = {}): string {
  const base = { clusterId: 'lab', nodeId: 'orc-1', dataDir: join(folder, 'data') }
  return put('node.json', JSON.stringify({ ...base, ...change }))
}

describe('token new', () => {
  test('prints a token, another each time', async () => {
    const [one, other] = await Promise.all([run(['token', 'new']), run(['token', 'new'])])
    for (const { code, stdout, stderr } of [one, other]) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(isToken(stdout.replace(/\n$/, ''))).toBe(true)
    }
    expect(one.stdout).not.toBe(other.stdout)
  })

  test('writes one for its owner alone, and tells its ref; what is there stays', async () => {
    const file = join(folder, 'token')
    const { code, stdout } = await run(['token', 'new', '--out', file])
    const token = readFileSync(file, 'utf8').replace(/\n$/, '')
    expect(code).toBe(0)
    expect(isToken(token)).toBe(true)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(JSON.parse(stdout)).toEqual({ file, ref: refOf(token) })

    const again = await run(['token', 'new', '--out', file])
    expect(again).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('token_file_exists') })
    expect(readFileSync(file, 'utf8')).toBe(`${token}\n`)
  })
})

describe('token roll', () => {
  const texts = (file: string) => ({
    token: readFileSync(file, 'utf8').trim(),
    also: existsSync(`${file}.also`) ? JSON.parse(readFileSync(`${file}.also`, 'utf8')) : undefined,
  })

  test('goes from one token to the next, and tells after each step what the node sends and accepts', async () => {
    const file = put('token', `${OLD}\n`)
    const next = put('next', `${NEW}\n`)
    const env = { [FILE]: file }
    const until = expect.stringMatching(/^\d{4}-.*Z$/)

    const begun = await run(['token', 'roll', 'begin', '--new-token-file', next], env)
    expect(JSON.parse(begun.stdout)).toEqual({
      sends: refOf(OLD),
      accepts: [
        { ref: refOf(OLD), until: null },
        { ref: refOf(NEW), until },
      ],
    })
    expect(texts(file)).toEqual({ token: OLD, also: [{ token: NEW, until }] })

    const early = await run(['token', 'roll', 'end'], env)
    expect(early).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('roll_not_switched') })

    const switched = await run(['token', 'roll', 'switch'], env)
    expect(JSON.parse(switched.stdout)).toMatchObject({
      sends: refOf(NEW),
      accepts: [{ ref: refOf(NEW) }, { ref: refOf(OLD) }],
    })
    expect(texts(file)).toEqual({
      token: NEW,
      also: [
        { token: NEW, until },
        { token: OLD, until },
      ],
    })

    const ended = await run(['token', 'roll', 'end'], env)
    expect(JSON.parse(ended.stdout)).toEqual({ sends: refOf(NEW), accepts: [{ ref: refOf(NEW), until: null }] })
    expect(texts(file)).toEqual({ token: NEW, also: undefined })
  })

  test('lasts as long as it is told, as the configuration says, or a day', async () => {
    const next = put('next', NEW)
    const lasts = async (...args: string[]) => {
      const file = put(`token-${args.length}`, OLD)
      const began = Date.now()
      await run(['token', 'roll', 'begin', '--new-token-file', next, '--token-file', file, ...args])
      const { also } = texts(file)
      return Math.round((Date.parse(also[0].until) - began) / 60_000)
    }
    expect(await lasts()).toBe(24 * 60)
    expect(await lasts('--config', config({ auth: { maxOverlapS: 7_200 } }))).toBe(120)
    expect(await lasts('--config', config({ auth: { maxOverlapS: 7_200 } }), '--overlap-s', '3600')).toBe(60)
  })

  test.each<[string, string[], Record<string, string>, string]>([
    ['flag', ['--auth-token', OLD], {}, '--auth-token gives the token itself, which nobody can roll'],
    ['variable', [], { HOLDFAST_CLUSTER_AUTH_TOKEN: OLD }, 'HOLDFAST_CLUSTER_AUTH_TOKEN gives the token itself'],
    ['no source', [], {}, 'name the token file by --token-file'],
    ['an empty file source', [], { [FILE]: '' }, 'names no file'],
  ])('with %s as its source nothing is rolled, and it says so', async (_, args, env, message) => {
    const next = put('next', NEW)
    const ran = await run([...args, 'token', 'roll', 'begin', '--new-token-file', next], env)
    expect(ran).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(message) })
  })

  test('a new token that others can read begins nothing', async () => {
    const file = put('token', OLD)
    const next = put('next', NEW, 0o644)
    const ran = await run(['token', 'roll', 'begin', '--new-token-file', next, '--token-file', file])
    expect(ran).toMatchObject({ code: 78, stdout: '', stderr: expect.stringContaining('file_mode') })
    expect(texts(file)).toEqual({ token: OLD, also: undefined })
  })
})

describe('check', () => {
  test('tells what a start would find, and opens no socket', async () => {
    const file = put('token', OLD)
    const ran = await run(['check', '--require-auth', '--config', config()], { [FILE]: file })
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(ran.stdout)).toEqual({
      node: 'orc-1',
      cluster: 'lab',
      listen: ['http 127.0.0.1 port 8770'],
      token: { source: file, sends: refOf(OLD), accepts: [refOf(OLD)] },
      warnings: [],
    })
  })

  test('warns of what a start would warn of', async () => {
    const open = JSON.parse((await run(['check', '--config', config()])).stdout)
    expect(open).toMatchObject({ token: null, warnings: [expect.stringContaining('asks for no token')] })
  })

  test.each<[string, string[], object, Record<string, string>, string]>([
    ['no token', ['--require-auth'], {}, {}, 'token_required: --require-auth is set, but no token was given by'],
    ['no token file', [], {}, { [FILE]: '/nowhere/token' }, 'file_missing'],
    ['plain HTTP for all', [], { listen: [{ address: '0.0.0.0', port: 8770 }] }, {}, 'plaintext_exposed'],
    ['an unknown key', [], { requireAuth: true }, {}, 'requireAuth'],
  ])('with %s a start is refused, and so is the check', async (_, args, change, env, reason) => {
    const ran = await run(['check', ...args, '--config', config(change)], env)
    expect(ran).toMatchObject({ code: 78, stdout: '', stderr: expect.stringContaining(reason) })
  })
})

describe('templates', () => {
  test('are written from the configuration, with the token file that is in use, and without a token', async () => {
    const file = put('token', OLD)
    const given = config({ dataDir: '/var/lib/lab/orc-1' })
    const out = join(folder, 'out')
    const ran = await run(['templates', '--config', given, '--out', out, '--user', 'lab'], { [FILE]: file })
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    const { written } = JSON.parse(ran.stdout) as { written: string[] }
    const all = written.map((path) => readFileSync(path, 'utf8'))
    expect(written).toHaveLength(3)
    for (const text of all) {
      expect(text).toContain(file)
      expect(text).not.toContain(OLD)
    }
    expect(all[0]).toMatch(/^User=lab$/m)
    expect(all[0]).toMatch(/^StateDirectory=lab\/orc-1$/m)
    expect(all[0]).toContain(`--require-auth --config ${given}`)
    expect(existsSync('/var/lib/lab')).toBe(false)
  })

  test('need a configuration', async () => {
    const ran = await run(['templates', '--out', join(folder, 'out')])
    expect(ran).toMatchObject({ code: 78, stderr: expect.stringContaining('config_missing') })
    expect(existsSync(join(folder, 'out'))).toBe(false)
  })
})

test('the help of each command has an example that begins with it', () => {
  const root = new Command('bearer-node')
  addCommands(root)
  const leaves = leavesOf(root)
  expect(leaves.map(({ path }) => path)).toEqual([
    ...['check', 'token new', 'token roll begin', 'token roll switch', 'token roll end', 'templates'],
  ])
  for (const { path, command } of leaves) {
    let text = ''
    command.configureOutput({
      writeOut(more) {
        text += more
      },
    })
    command.outputHelp()
    const examples = [...text.matchAll(/^ {2}\$ bearer-node (.*)$/gm)].map(([, example = '']) => example)
    expect([path, examples.length]).not.toEqual([path, 0])
    for (const example of examples) expect(`${example} `.startsWith(`${path} `)).toBe(true)
  }
})

function leavesOf(command: Command, path: readonly string[] = []): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path: path.join(' '), command }]
  return command.commands.flatMap((below) => leavesOf(below, [...path, below.name()]))
}
