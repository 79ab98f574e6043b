import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { credsPath, LOCAL_KEYS } from '../shared/nats/setup-record.ts'
import { complaints, hasSystemd, settingsIn } from '../shared/testing/systemd-units.ts'

const folder = join(import.meta.dirname, 'templates')
const valuesIn = settingsIn(folder)

test('each key file is handed to it', () => {
  const files = [...Object.values(LOCAL_KEYS), ...(['callout_user', 'sys_kick'] as const).map(credsPath)]
  const names = files.map((file) => basename(file))

  const handed = names.map((name) => `${name}:/var/lib/nats_server/local-keys/${name}`)
  expect(valuesIn('auth-callout.service', 'LoadCredential').sort()).toEqual(handed.sort())
})

test('it starts anew when the setup changes, for what is handed to it changes at no other time', () => {
  expect(valuesIn('auth-callout-keys.path', 'PathChanged')).toEqual(['/var/lib/nats_server/setup.json'])
  const [started = ''] = valuesIn('auth-callout-keys.path', 'Unit')
  expect(valuesIn(started, 'ExecStart')).toEqual(['/usr/bin/systemctl --no-block try-restart auth-callout.service'])
})

test('it starts anew for other keys alone, not whenever the setup is written', () => {
  const [condition = ''] = valuesIn('auth-callout-keys.service', 'ExecCondition')
  const [, script = ''] = /^\/bin\/sh -c '(.*)'$/.exec(condition) ?? []
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [keys, handed] = ['/var/lib/nats_server/local-keys', '/run/credentials/auth-callout.service']
  const isRun = () =>
    spawnSync('/bin/sh', ['-c', script.replace(keys, `${folder}${keys}`).replace(handed, `${folder}${handed}`)]).status
  expect(isRun(), 'the callout does not run').toBe(0)
  for (const place of [keys, handed]) {
    mkdirSync(`${folder}${place}`, { recursive: true })
    writeFileSync(`${folder}${place}/curve.nk`, 'of now')
  }
  expect(isRun(), 'it has the keys of now').toBe(1)
  writeFileSync(`${folder}${keys}/curve.nk`, 'of then')
  expect(isRun(), 'it has other keys').toBe(0)
})

test('it starts with each start of the broker, with which it ends', () => {
  expect(valuesIn('auth-callout.service', 'BindsTo')).toEqual(['nats-server.service'])
  expect(valuesIn('auth-callout.service', 'WantedBy').join(' ').split(' ')).toContain('nats-server.service')
})

test.runIf(hasSystemd)('systemd understands every line of them', () => {
  const beside = ['nats-server.service', 'nats-accounts-push.service']

  expect(complaints(folder, { beside })).toEqual([])
  const planted = { 'auth-callout-keys.path': '[Path]\nPathHasOtherKeys=/nowhere\n' }
  expect(complaints(folder, { beside, planted }).join()).toContain('PathHasOtherKeys')
})
