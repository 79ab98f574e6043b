import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { USER_NAMES } from '../shared/nats/roles.ts'
import { complaints, hasSystemd, unitsIn } from '../shared/testing/systemd-units.ts'
import { loadConfig } from './config.ts'

const folder = join(import.meta.dirname, 'templates')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')

test('the configuration is one', () => {
  expect(loadConfig({ file: join(folder, 'setup.json'), environment: {} })).toMatchObject({ operator: 'HOLO' })
})

test('every unit runs as the user of the keys, and writes files for that user alone', () => {
  const services = unitsIn(folder).filter((name) => name.endsWith('.service'))
  expect(services).toHaveLength(5)
  for (const name of services) expect(read(name), name).toMatch(/^User=nats-auth\n(?:.*\n)*UMask=0077$/m)
})

test('the rotation leaves out nobody', () => {
  const [, names = ''] = /--user (.*)$/m.exec(read('nats-creds-rotate.service')) ?? []

  expect(names.split(' ').sort()).toEqual([...USER_NAMES].sort())
})

test.runIf(hasSystemd)('systemd understands every line of them', () => {
  const beside = ['nats-server.service']

  expect(complaints(folder, { beside })).toEqual([])
  const planted = { 'nats-creds-rotate.timer': '[Timer]\nOnNothing=8h\n' }
  expect(complaints(folder, { beside, planted }).join()).toContain('OnNothing')
})
