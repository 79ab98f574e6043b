import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  addConfigurationOptions,
  configurationKeys,
  flagsOf,
  loadConfiguration,
  type Program,
  redactedConfiguration,
  warnIgnoredSwitches,
} from './configuration.ts'
import { StartFailure } from './start-failure.ts'

const schema = z.strictObject({
  node: z.string().min(1),
  listen: z.strictObject({ public: z.string().default('127.0.0.1:8443') }).prefault({}),
  ttl: z.strictObject({ nodeSeconds: z.int().min(30).default(3600) }).prefault({}),
  peers: z.array(z.strictObject({ name: z.string(), peerToken: z.string().optional() })).default([]),
})
const program: Program<z.infer<typeof schema>> = {
  name: 'sample',
  environmentPrefix: 'SAMPLE',
  schema,
  secrets: ['peers.peerToken'],
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'configuration-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function fileWith(content: unknown, mode = 0o600): string {
  const file = join(folder, 'config.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  chmodSync(file, mode)
  return file
}

function failureOf(sources: Parameters<typeof loadConfiguration>[1]): StartFailure {
  try {
    loadConfiguration(program, { environment: {}, ...sources })
  } catch (failure) {
    expect(failure).toBeInstanceOf(StartFailure)
    return failure as StartFailure
  }
  throw new Error('the configuration was accepted')
}

describe('precedence', () => {
  const file = () => fileWith({ node: 'from-file', ttl: { nodeSeconds: 100 } })

  test('a flag wins over a variable, a variable over the file, the file over the default', () => {
    const environment = { SAMPLE_NODE: 'from-variable', SAMPLE_TTL_NODE_SECONDS: '200' }
    const flags = { node: 'from-flag' }
    expect(loadConfiguration(program, { file: file(), environment, flags })).toEqual({
      node: 'from-flag',
      listen: { public: '127.0.0.1:8443' },
      ttl: { nodeSeconds: 200 },
      peers: [],
    })
    expect(loadConfiguration(program, { file: file(), environment: {} }).ttl.nodeSeconds).toBe(100)
  })

  test('every leaf key has its flag and its variable', () => {
    expect(configurationKeys(program).map(({ key, flag, variable }) => [key, flag, variable])).toEqual([
      ['node', '--node', 'SAMPLE_NODE'],
      ['listen.public', '--listen-public', 'SAMPLE_LISTEN_PUBLIC'],
      ['ttl.nodeSeconds', '--ttl-node-seconds', 'SAMPLE_TTL_NODE_SECONDS'],
      ['peers', '--peers', 'SAMPLE_PEERS'],
    ])
  })

  test('flags are read back from the command line by key', () => {
    const command = addConfigurationOptions(new Command(), program)
    command.parse(['--ttl-node-seconds', '45', '--listen-public', '127.0.0.1:1'], { from: 'user' })
    expect(flagsOf(command, program)).toEqual({ 'ttl.nodeSeconds': '45', 'listen.public': '127.0.0.1:1' })
  })
})

describe('a mistake is one StartFailure that names the key and the place', () => {
  test('an unknown key and a wrong type are both named at once', () => {
    const failure = failureOf({ file: fileWith({ node: 7, colour: 'red' }) })
    expect(failure.reason).toBe('config_invalid')
    expect(failure.message).toContain('config.json')
    expect(failure.message).toContain('node: ')
    expect(failure.message).toContain('colour')
  })

  test('an unknown variable of the program is refused', () => {
    expect(failureOf({ environment: { SAMPLE_NODE: 'a', SAMPLE_NODES: 'b' } }).message).toContain('SAMPLE_NODES')
  })

  test('a value that is not JSON names its flag', () => {
    const failure = failureOf({ environment: { SAMPLE_NODE: 'a' }, flags: { 'ttl.nodeSeconds': 'soon' } })
    expect(failure.message).toContain('--ttl-node-seconds')
  })

  test('a file that is not JSON is named without its text', () => {
    const failure = failureOf({ file: fileWith('{"peerToken": "eyJhbGciOi') })
    expect(failure.message).toContain('is not JSON')
    expect(failure.message).not.toContain('eyJ')
  })

  test('a file with a secret that others can read is refused, and so is none without one', () => {
    const [plain, secret] = [{ name: 'b' }, { name: 'c', peerToken: 'secret-text' }]
    for (const mode of [0o640, 0o604]) {
      const failure = failureOf({ file: fileWith({ node: 'a', peers: [plain, secret] }, mode) })
      expect(failure.reason).toBe('config_invalid')
      expect(failure.message).toMatch(/config\.json holds peers\.peerToken and can be read by others; make it 0600/)
      expect(failure.message).not.toContain('secret-text')
      expect(
        loadConfiguration(program, { file: fileWith({ node: 'a', peers: [plain] }, mode), environment: {} }).node,
      ).toBe('a')
    }
    const file = fileWith({ node: 'a', peers: [plain, secret] })
    expect(loadConfiguration(program, { file, environment: {} }).peers).toHaveLength(2)
    // It would be taken from its variable, and lies open all the same.
    const environment = { SAMPLE_PEERS: '[]' }
    expect(failureOf({ file: fileWith({ node: 'a', peers: [secret] }, 0o644), environment }).message).toContain('0600')
  })

  test('a missing file is named with its error code', () => {
    expect(failureOf({ file: join(folder, 'absent.json') }).message).toMatch(/absent\.json.*ENOENT/)
  })
})

test('secret values are hidden, everything else is printed', () => {
  const configuration = loadConfiguration(program, {
    file: fileWith({ node: 'a', peers: [{ name: 'b', peerToken: 'secret-text' }] }),
    environment: {},
  })
  expect(redactedConfiguration(program, configuration)).toMatchObject({ peers: [{ name: 'b', peerToken: '(hidden)' }] })
})

test('variables that look like a switch change nothing and are named in the log', () => {
  const environment = {
    SAMPLE_NODE: 'a',
    SAMPLE_SKIP_AUTH: 'true',
    CATALYST_SKIP_AUTH: '1',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    TLS_INSECURE: 'yes',
  }
  const lines: unknown[] = []
  const log = { info() {}, error() {}, warn: (event: string, fields: unknown) => lines.push([event, fields]) }
  expect(loadConfiguration(program, { environment }).node).toBe('a')
  warnIgnoredSwitches(log, environment)
  expect(lines).toEqual(
    ['CATALYST_SKIP_AUTH', 'NODE_TLS_REJECT_UNAUTHORIZED', 'SAMPLE_SKIP_AUTH', 'TLS_INSECURE'].map((variable) => [
      'variable-ignored',
      expect.objectContaining({ variable }),
    ]),
  )
})

describe('what a program says of its keys', () => {
  const named: Program<z.infer<typeof schema>> = {
    ...program,
    variables: { node: 'NODE_NAME' },
    secrets: ['node'],
    isBlankAbsent: true,
  }

  test('a variable may have a name of its own, which is then the only one', () => {
    expect(loadConfiguration(named, { environment: { NODE_NAME: 'x' } }).node).toBe('x')
    expect(() => loadConfiguration(named, { environment: { NODE_NAME: 'x', SAMPLE_NODE: 'y' } })).toThrow(/SAMPLE_NODE/)
  })

  test('a blank variable is absent where the program says so, and else a value', () => {
    const file = fileWith({ node: 'from-file' })
    expect(loadConfiguration(named, { file, environment: { NODE_NAME: ' ' } }).node).toBe('from-file')
    expect(loadConfiguration(program, { file, environment: { SAMPLE_NODE: ' ' } }).node).toBe(' ')
  })

  test('a secret has no flag', () => {
    const flagsIn = (of: Program<unknown>) => addConfigurationOptions(new Command(), of).options.map(({ long }) => long)
    expect(flagsIn(program)).toContain('--node')
    expect(flagsIn(named)).not.toContain('--node')
    expect(flagsIn(named)).toContain('--listen-public')
  })
})
