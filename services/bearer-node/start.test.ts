import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type TestAuthority, type TestIdentity, testAuthority, testFolder } from '../shared/testing/certificates.ts'
import { isListening, type NodeStart, spawnNode, startNode, type TestNode } from './testing/process.ts'
import { exchange, requestOf } from './testing/raw.ts'
import { NEW, OLD, OTHER } from './testing/tokens.ts'

// A start that is refused ends within 5 s with 78, one line and no socket, whatever else was given. Beside it stands what does start.

vi.setConfig({ testTimeout: 120_000 })

const root = testFolder()
chmodSync(root, 0o711)
const isRoot = process.getuid?.() === 0
const NOBODY = 65_534

let authority: TestAuthority
let identity: TestIdentity
beforeAll(async () => {
  authority = await testAuthority(root, 'cluster')
  identity = await authority.issue({ sans: ['orc-1.cluster.test'] })
})
afterAll(() => rm(root, { recursive: true }))

const FILE = 'HOLDFAST_CLUSTER_AUTH_TOKEN_FILE'
const VARIABLE = 'HOLDFAST_CLUSTER_AUTH_TOKEN'

let made = 0

/** A folder with a good token file. */
function place(content = `${OLD}\n`, mode = 0o600): { folder: string; path: string } {
  made += 1
  const folder = join(root, `tokens-${made}`)
  mkdirSync(folder, { mode: 0o700 })
  const path = join(folder, 'token')
  writeFileSync(path, content)
  chmodSync(path, mode)
  return { folder, path }
}

/** Its one line. Nobody ever listened, and the record of it, where a guard refused it, has its reason. */
async function refusedStart(given: NodeStart, expected: { guard: string | null; reason: string }): Promise<string> {
  await using node = await spawnNode(root, given)
  let [isOver, everListened] = [false, false]
  const began = performance.now()
  const exited = node.exited.then((code) => {
    isOver = true
    return { code, ms: performance.now() - began }
  })
  while (!isOver) {
    everListened ||= await isListening(node.port)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { code, ms } = await exited
  const stderr = node.stderr()
  expect({ code, stderr, everListened }).toEqual({ code: 78, stderr: expect.any(String), everListened: false })
  expect(ms).toBeLessThan(5_000)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).toMatch(new RegExp(`^bearer-node: ${expected.reason}: `))
  expect(stderr).not.toMatch(/\n\s+at /)
  for (const secret of [OLD, NEW, OTHER]) expect(stderr).not.toContain(secret.slice(0, 12))
  if (expected.guard !== null) {
    expect(node.decisions()).toMatchObject([
      { action: 'start', verdict: 'refused', layer: 'start-up', target: 'orc-1', ...expected },
    ])
  }
  return stderr
}

/** What the token opens on a node that runs: status with it, without it, and with another. */
async function opens(node: TestNode, token: string): Promise<number[]> {
  const ask = async (value: string) => {
    const headers = value === '' ? [] : ([['Authorization', `Bearer ${value}`]] as const)
    return (await exchange(node.port, requestOf('GET', '/v1/auth', headers))).status
  }
  return [await ask(token), await ask(''), await ask(`${token}0`)]
}

describe('of three sources that differ', () => {
  test('the flag decides, then the variable, then the file, and those below are named', async () => {
    const { path } = place(OTHER)
    const all = { [VARIABLE]: NEW, [FILE]: path }
    {
      await using node = await startNode(root, { args: ['--auth-token', OLD], env: all })
      expect(await opens(node, OLD)).toEqual([200, 401, 401])
      expect([await opens(node, NEW), await opens(node, OTHER)]).toEqual([
        [401, 401, 401],
        [401, 401, 401],
      ])
      for (const name of [VARIABLE, FILE]) expect(node.told()).toContain(`${name} is ignored`)
      expect(node.told()).toContain('/proc/PID/cmdline')
    }
    {
      await using node = await startNode(root, { env: all })
      expect(await opens(node, NEW)).toEqual([200, 401, 401])
      expect(await opens(node, OTHER)).toEqual([401, 401, 401])
      expect(node.told()).toContain(`${FILE} is ignored`)
      expect(node.told()).toContain('/proc/PID/environ')
    }
    await using node = await startNode(root, { env: { [FILE]: path }, args: ['--require-auth'] })
    expect(await opens(node, OTHER)).toEqual([200, 401, 401])
    expect(node.told()).not.toMatch(/ignored|\/proc\//)
  })

  test('the alias stands for its name, and with the same value beside it', async () => {
    {
      await using node = await startNode(root, { env: { RINGRIFT_CLUSTER_AUTH_TOKEN: NEW } })
      expect(await opens(node, NEW)).toEqual([200, 401, 401])
    }
    await using node = await startNode(root, { env: { RINGRIFT_CLUSTER_AUTH_TOKEN: NEW, [VARIABLE]: NEW } })
    expect(await opens(node, NEW)).toEqual([200, 401, 401])
    expect(node.told()).toContain('are one source')
  })

  test('a name that only looks like one has no effect: the node is open, and says so', async () => {
    await using node = await startNode(root, { env: { RINGRIFT_P2P_AUTH_TOKEN: NEW } })
    expect(await opens(node, NEW)).toEqual([200, 200, 200])
    expect(node.told()).toContain('RINGRIFT_P2P_AUTH_TOKEN has no effect')
    expect(node.told()).toContain('asks for no token')
  })
})

describe('bearer.source refuses', () => {
  const guard = 'bearer.source'

  test('a start that needs a token, and was given none', async () => {
    const sentence =
      'bearer-node: token_required: --require-auth is set, but no token was given by --auth-token, HOLDFAST_CLUSTER_AUTH_TOKEN or HOLDFAST_CLUSTER_AUTH_TOKEN_FILE\n'
    const refused = { guard, reason: 'token_required' }
    expect(await refusedStart({ args: ['--require-auth'] }, refused)).toBe(sentence)
    const byFile = { configuration: { auth: { require: true } }, env: { RINGRIFT_P2P_AUTH_TOKEN: NEW } }
    expect(await refusedStart(byFile, refused)).toBe(sentence)
  })

  test.each([
    ['source_empty', '--auth-token', { args: ['--auth-token', ''], env: { [VARIABLE]: NEW } }],
    ['source_empty', VARIABLE, { env: { [VARIABLE]: '', [FILE]: '/nowhere' } }],
    ['source_empty', FILE, { env: { [FILE]: '' } }],
    ['token_malformed', '--auth-token', { args: ['--auth-token', 'too-short'], env: { [VARIABLE]: NEW } }],
    ['token_malformed', VARIABLE, { env: { [VARIABLE]: `${OLD} ` } }],
    ['alias_conflict', VARIABLE, { env: { [VARIABLE]: OLD, RINGRIFT_CLUSTER_AUTH_TOKEN: NEW } }],
    ['alias_conflict', FILE, { env: { [FILE]: '/one', RINGRIFT_CLUSTER_AUTH_TOKEN_FILE: '/other' } }],
  ] as [string, string, NodeStart][])('%s: %s, whatever good one stands below', async (reason, named, given) => {
    expect(await refusedStart(given, { guard, reason })).toContain(named)
  })
})

describe('bearer.file refuses, with --require-auth and without', () => {
  const guard = 'bearer.file'

  async function refusedFile(path: string, reason: string, as?: number): Promise<void> {
    for (const args of [['--require-auth'], []]) {
      expect(await refusedStart({ args, env: { [FILE]: path }, as }, { guard, reason })).toContain(path)
    }
  }

  test('a file that is not there', async () => {
    await refusedFile(join(root, 'nowhere'), 'file_missing')
  })

  test('a folder, a link, a pipe that nobody writes into', async () => {
    const { folder, path } = place()
    const link = join(folder, 'link')
    symlinkSync(path, link)
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    for (const other of [folder, link, pipe]) await refusedFile(other, 'file_not_regular')
  })

  test('a file that holds something else', async () => {
    await refusedFile(place(`${OLD}\n${NEW}\n`).path, 'file_content')
  })

  test('a file that others can read or its group can write', async () => {
    await refusedFile(place(OLD, 0o644).path, 'file_mode')
    await refusedFile(place(OLD, 0o620).path, 'file_mode')
  })

  test.runIf(isRoot)('a file that its user may not read, and one of another user', async () => {
    const { folder, path } = place()
    chmodSync(folder, 0o711)
    await refusedFile(path, 'file_unreadable', NOBODY)
    chownSync(path, 4_711, 4_711)
    await refusedFile(path, 'file_owner')
    chownSync(path, NOBODY, NOBODY)
    await using node = await startNode(root, { args: ['--require-auth'], env: { [FILE]: path }, as: NOBODY })
    expect(await opens(node, OLD)).toEqual([200, 401, 401])
  })

  test('with it alone: what its group can read, and a folder into which others write', async () => {
    const readable = place(OLD, 0o640)
    const shared = place()
    chmodSync(shared.folder, 0o770)
    for (const [path, reason] of [
      [readable.path, 'file_mode'],
      [shared.path, 'file_directory'],
    ] as const) {
      await refusedStart({ args: ['--require-auth'], env: { [FILE]: path } }, { guard, reason })
      await using node = await startNode(root, { env: { [FILE]: path } })
      expect(await opens(node, OLD)).toEqual([200, 401, 401])
      expect(node.told()).toContain(reason === 'file_mode' ? path : shared.folder)
    }
  })

  test('and takes what systemd shows of a credential', async () => {
    const { folder, path } = place(OLD, 0o440)
    const env = { [FILE]: path, CREDENTIALS_DIRECTORY: folder }
    await using node = await startNode(root, { args: ['--require-auth'], env })
    expect(await opens(node, OLD)).toEqual([200, 401, 401])
  })
})

describe('bearer.exposure refuses', () => {
  const guard = 'bearer.exposure'
  const listen = (address: string, port: number, isTls: boolean) => {
    const tls = { certFile: identity.certFile, keyFile: identity.keyFile }
    return [{ address, port, ...(isTls && { tls }) }]
  }

  test.each(['0.0.0.0', '::', '203.0.113.10', '100.64.0.1'])('to be plain at %s, with the token', async (address) => {
    const given = { args: ['--auth-token', OLD], configuration: { listen: listen(address, 8_770, false) } }
    expect(await refusedStart(given, { guard, reason: 'plaintext_exposed' })).toContain('8770')
  })

  test('to be open at a wildcard, with TLS; with the token it serves', async () => {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const configuration = { listen: listen('0.0.0.0', port, true) }
    await refusedStart({ configuration }, { guard, reason: 'open_exposed' })
    await using node = await startNode(root, { args: ['--auth-token', OLD], configuration })
    expect(await isListening(port)).toBe(true)
    expect(node.told()).not.toContain('asks for no token')
  })

  test('to be open to a private network behind a proxy', async () => {
    const configuration = {
      ...{ listen: listen('10.99.99.99', 8_770, true), caFile: authority.file },
      proxies: [{ name: 'edge', san: 'edge.cluster.test' }],
    }
    await refusedStart({ configuration }, { guard, reason: 'open_exposed' })
  })
})

describe('a configuration', () => {
  test('is refused with all its mistakes at once', async () => {
    const configuration = {
      ...{ clusterId: 'Cluster', leaseMs: 999, skipAuth: true },
      ...{ listen: [{ address: 'localhost', port: 1 }], peers: [{ id: 'orc-2', url: 'https://orc-2/x' }] },
    }
    const line = await refusedStart({ configuration }, { guard: null, reason: 'config_invalid' })
    for (const key of ['clusterId', 'leaseMs', 'skipAuth', 'listen.0.address', 'peers.0.url'])
      expect(line).toContain(key)
  })

  test.each([
    ['peers', 'does not name this node', { peers: [{ id: 'orc-2', url: 'https://orc-2.test:1' }] }],
    ['proxies', 'no listener can know one', { proxies: [{ name: 'edge', san: 'edge.test' }] }],
    ['auth.headerAlias', 'means nothing else', { auth: { headerAlias: 'Cookie' } }],
    ['caFile', '/nowhere', { caFile: '/nowhere' }],
    [
      'tls',
      '/dev/null',
      { listen: [{ address: '127.0.0.1', port: 1, tls: { certFile: '/dev/null', keyFile: '/dev/null' } }] },
    ],
  ])('of %s is refused: %s', async (_, words, configuration) => {
    const line = await refusedStart({ configuration }, { guard: null, reason: 'config_invalid' })
    expect(line).toContain(words)
  })

  test('with a data folder that is open to others is refused', async () => {
    const dataDir = join(root, 'open')
    mkdirSync(dataDir)
    chmodSync(dataDir, 0o755)
    const line = await refusedStart({ configuration: { dataDir } }, { guard: null, reason: 'config_invalid' })
    expect(line).toContain(`chmod 0700 ${dataDir}`)
  })

  test('with an address that is taken ends likewise', async () => {
    await using node = await startNode(root)
    const listen = [{ address: '127.0.0.1', port: node.port }]
    const line = await refusedStart({ configuration: { listen } }, { guard: null, reason: 'config_invalid' })
    expect(line).toContain(String(node.port))
  })
})

describe('a node that runs', () => {
  test('shows the token of a file neither on its command line nor in its environment', async () => {
    const { path } = place()
    await using node = await startNode(root, { env: { [FILE]: path }, args: ['--require-auth'] })
    const { pid } = node.process
    for (const name of ['cmdline', 'environ']) {
      expect(readFileSync(`/proc/${pid}/${name}`, 'latin1')).not.toContain(OLD.slice(0, 12))
    }
    expect(node.stderr()).not.toContain(OLD.slice(0, 12))
  })

  test('ends with 0 when it is told to', async () => {
    await using node = await startNode(root)
    node.process.kill('SIGTERM')
    expect(await node.exited).toBe(0)
  })
})
