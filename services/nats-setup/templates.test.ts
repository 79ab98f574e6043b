import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { USER_NAMES } from '../shared/nats/roles.ts'
import { loadConfig } from './config.ts'

const folder = join(import.meta.dirname, 'templates')
const units = readdirSync(folder).filter((name) => /\.(service|timer)$/.test(name))
const read = (name: string) => readFileSync(join(folder, name), 'utf8')

test('the configuration is one', () => {
  expect(loadConfig({ file: join(folder, 'setup.json'), environment: {} })).toMatchObject({ operator: 'HOLO' })
})

test('every unit runs as the user of the keys, and writes files for that user alone', () => {
  const services = units.filter((name) => name.endsWith('.service'))
  expect(services).toHaveLength(5)
  for (const name of services) expect(read(name), name).toMatch(/^User=nats-auth\n(?:.*\n)*UMask=0077$/m)
})

test('the rotation leaves out nobody', () => {
  const [, names = ''] = /--user (.*)$/m.exec(read('nats-creds-rotate.service')) ?? []

  expect(names.split(' ').sort()).toEqual([...USER_NAMES].sort())
})

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

test.runIf(hasSystemd)('systemd understands every line of them', () => {
  const copy = mkdtempSync(join(tmpdir(), 'holdfast-units-'))
  try {
    cpSync(folder, copy, { recursive: true })
    // Programs and the broker are elsewhere.
    for (const name of units)
      writeFileSync(join(copy, name), read(name).replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'))
    writeFileSync(join(copy, 'nats-server.service'), '[Service]\nExecStart=/bin/true\n')
    const verified = () => {
      const paths = units.map((name) => join(copy, name.replace('@.', '@admin_user.')))
      return spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], { encoding: 'utf8' }).stderr
    }
    expect(
      verified()
        .split('\n')
        .filter((line) => line.includes(copy) || line.includes('nats')),
    ).toEqual([])
    writeFileSync(join(copy, 'nats-creds-rotate.timer'), '[Timer]\nOnNothing=8h\n')
    expect(verified()).toContain('OnNothing')
  } finally {
    rmSync(copy, { recursive: true })
  }
})
