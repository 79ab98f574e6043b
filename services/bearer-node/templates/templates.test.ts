import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { configurationKeys } from '../../shared/configuration.ts'
import { hasSystemd, settingsIn } from '../../shared/testing/systemd-units.ts'
import { program } from '../config.ts'
import * as settings from '../settings.ts'
import { isToken } from '../token/token-text.ts'
import { environmentExample } from './environment.ts'
import type { InstallationOptions } from './installation.ts'
import { systemdUnit } from './systemd.ts'
import { installation, TOKEN_FILE } from './testing.ts'
import { writeTemplates } from './write.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-templates-'))
afterAll(() => rmSync(folder, { recursive: true }))

const UNIT = 'holdfast-bearer-node.service'

describe('the unit of systemd', () => {
  /** A folder of its own with that unit. */
  function written(text: string): string {
    const place = mkdtempSync(join(folder, 'unit-'))
    writeFileSync(join(place, UNIT), text)
    return place
  }

  function valuesIn(text: string): (setting: string) => string[] {
    const values = settingsIn(written(text))
    return (setting) => values(UNIT, setting)
  }

  test('demands authentication, has the token by its file alone, and keeps others from all that is its own', () => {
    const values = valuesIn(systemdUnit(installation()))
    const held = Object.fromEntries(
      [
        ...['User', 'Environment', 'EnvironmentFile', 'ExecStart', 'ExecReload', 'Restart', 'RestartPreventExitStatus'],
        ...['UMask', 'StateDirectory', 'StateDirectoryMode', 'ProtectSystem', 'NoNewPrivileges', 'ReadWritePaths'],
        ...['CapabilityBoundingSet', 'AmbientCapabilities', 'LoadCredential'],
      ].map((name) => [name, values(name)]),
    )
    expect(held).toEqual({
      User: ['bearer-node'],
      Environment: [`HOLDFAST_CLUSTER_AUTH_TOKEN_FILE=${TOKEN_FILE}`],
      EnvironmentFile: ['-/etc/holdfast/bearer-node.env'],
      ExecStart: ['/usr/local/bin/bearer-node serve --require-auth --config /etc/holdfast/bearer-node.json'],
      ExecReload: ['/bin/kill -HUP $MAINPID'],
      Restart: ['on-failure'],
      // EX_CONFIG of sysexits.h: how a start ends that is refused.
      RestartPreventExitStatus: ['78'],
      UMask: ['0077'],
      StateDirectory: ['bearer-node'],
      StateDirectoryMode: ['0700'],
      ProtectSystem: ['strict'],
      NoNewPrivileges: ['yes'],
      ReadWritePaths: [],
      CapabilityBoundingSet: [''],
      AmbientCapabilities: [],
      LoadCredential: [],
    })
  })

  test('follows the configuration: folders that are written to, and a low port', () => {
    const elsewhere = { dataDir: '/srv/bearer', decisionLog: '/var/log/bearer-node/decisions.jsonl' }
    const listen = [{ address: '127.0.0.1', port: 443 }]
    const values = valuesIn(systemdUnit(installation({}, { ...elsewhere, listen })))
    expect(values('StateDirectory')).toEqual(['bearer-node'])
    expect(values('ReadWritePaths')).toEqual(['/srv/bearer', '/var/log/bearer-node'])
    expect(values('AmbientCapabilities')).toEqual(['CAP_NET_BIND_SERVICE'])
    expect(valuesIn(systemdUnit(installation({}, { dataDir: '/var/lib/a/b' })))('StateDirectory')).toEqual(['a/b'])
  })

  /** What systemd says to a unit. */
  function verified(text: string): { status: number | null; said: string } {
    const path = join(written(text), UNIT)
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' })
    return { status, said: `${stdout}${stderr}` }
  }

  const there = { program: '/bin/true' }
  const good = { status: 0, said: '' }

  test.runIf(hasSystemd)('is understood by systemd to the last line: it says nothing', () => {
    expect(verified(systemdUnit(installation(there)))).toEqual(good)
    const change = { dataDir: '/srv/bearer', listen: [{ address: '127.0.0.1', port: 443 }] }
    expect(verified(systemdUnit(installation(there, change)))).toEqual(good)
  })

  test.runIf(hasSystemd)('is understood with systemd handing the token over, too', () => {
    const lines = systemdUnit(installation(there)).split('\n')
    const variant = lines
      .filter((line) => !/^Environment(File)?=/.test(line))
      .map((line) => line.replace(/^#(?=LoadCredential=|Environment=)/, ''))
      .join('\n')
    expect(variant).toContain(`\nLoadCredential=bearer-node.token:${TOKEN_FILE}\n`)
    expect(variant).toContain('\nEnvironment=HOLDFAST_CLUSTER_AUTH_TOKEN_FILE=%d/bearer-node.token\n')
    expect(verified(variant)).toEqual(good)
  })

  test.runIf(hasSystemd).each([
    ['a key that does not exist', 'ProtectSystem=', 'ProtectSistem=', 'ProtectSistem'],
    ['a value that does not exist', 'Type=exec', 'Type=exact', 'exact'],
    ['a program that is not there', '/bin/true', '/bin/untrue', 'untrue'],
    ['a section that does not exist', '[Service]', '[Servant]', 'Servant'],
  ])('is not understood with %s: the check says so', (_, right, wrong, named) => {
    const text = systemdUnit(installation(there))
    expect(text).toContain(right)
    expect(verified(text.replace(right, wrong)).said).toContain(named)
  })

  test.runIf(hasSystemd)('is understood whatever its paths hold', () => {
    const place = join(folder, `a "b" %Q $HOME \\t 'c'`)
    const configFile = join(place, 'bearer-node.json')
    const tokenFile = join(place, 'token')
    const text = systemdUnit(installation({ ...there, configFile, tokenFile }, { dataDir: join(place, 'data') }))
    expect(verified(text)).toEqual(good)
    expect(text).toContain('/a \\"b\\" %%Q $$HOME \\\\t \'c\'/bearer-node.json"\n')
    expect(verified(text.replaceAll('%%Q', '%Q')).said).not.toBe('')
  })
})

describe('the file of variables', () => {
  const lines = environmentExample(installation()).split('\n')
  const named = lines.flatMap((line) => {
    const [, isComment = '', name = '', value = ''] = /^(# )?([A-Z][A-Z0-9_]+)=(.*)$/.exec(line) ?? []
    return name === '' ? [] : [{ name, value, isActive: isComment === '' }]
  })

  test('has every variable that is read, once, and the file source alone is in force', () => {
    const { TOKEN_VARIABLE, TOKEN_FILE_VARIABLE } = settings
    const read = [TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, ...configurationKeys(program).map(({ variable }) => variable)]
    expect(named.map(({ name }) => name)).toEqual(read)
    expect(named.filter(({ isActive }) => isActive)).toEqual([
      { name: TOKEN_FILE_VARIABLE, value: TOKEN_FILE, isActive: true },
    ])
    // Everything that settings.ts knows of is named, the other names of a source in words.
    for (const alias of [settings.TOKEN_ALIAS, settings.TOKEN_FILE_ALIAS]) {
      expect(lines.some((line) => line.includes(`${alias} is the same.`))).toBe(true)
    }
  })

  test('shows the defaults, as a shell and systemd read them', () => {
    const shell = `set -a\n${named.map(({ name, value }) => `${name}=${value}`).join('\n')}\nexec env`
    const { stdout, status } = spawnSync('/bin/sh', ['-c', shell], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } })
    expect(status).toBe(0)
    const said = Object.fromEntries(stdout.split('\n').map((line) => [line.split('=')[0], line.replace(/^[^=]*=/, '')]))
    expect(said).toMatchObject({
      BEARER_NODE_CLUSTER_ID: '',
      BEARER_NODE_LISTEN: '[{"address":"127.0.0.1","port":8770}]',
      BEARER_NODE_AUTH_READ_ACCESS: 'open',
      BEARER_NODE_AUTH_REQUIRE: 'false',
      BEARER_NODE_LEASE_MS: '10000',
    })
  })

  test('holds nothing that looks like a token: all that is as long is a path', () => {
    expect(named.filter(({ value }) => isToken(value) && !value.startsWith('/'))).toEqual([])
    expect(isToken('0'.repeat(32))).toBe(true)
  })
})

test('each is written for all to read, and over nothing', () => {
  const out = join(folder, 'out')
  const paths = writeTemplates(out, installation())
  expect(paths).toEqual(
    ['systemd/holdfast-bearer-node.service', 'launchd/io.holdfast.bearer-node.plist', 'bearer-node.env.example'].map(
      (name) => join(out, name),
    ),
  )
  for (const path of paths) expect(statSync(path).mode & 0o777).toBe(0o644)
  const before = readFileSync(paths[0]!, 'utf8')
  expect(before).toBe(systemdUnit(installation()))
  expect(() => writeTemplates(out, installation({ user: 'other' }))).toThrow(`${paths[0]} is there already`)
  expect(readFileSync(paths[0]!, 'utf8')).toBe(before)
})

test.each<[string, Partial<InstallationOptions>, string]>([
  ['a program without its path', { program: 'bearer-node' }, 'must be named by an absolute path'],
  ['a program with a quote in its path', { program: '/opt/"x"/bearer-node' }, 'must be named by an absolute path'],
  ['a user that is none', { user: 'bearer node' }, 'bearer node is no name of a user'],
  ['a line end in a path', { tokenFile: '/etc/a\nExecStartPre=/bin/b' }, 'holds a control character'],
])('%s is refused', (_, options, message) => {
  expect(() => installation(options)).toThrow(message)
})
