import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { credsPath, LOCAL_KEYS } from '../shared/nats/setup-record.ts'
import { complaints, hasSystemd } from '../shared/testing/systemd-units.ts'

const folder = join(import.meta.dirname, 'templates')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')
/** Every value of a setting. */
const valuesIn = (name: string, setting: string) =>
  [...read(name).matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map(([, value]) => value)

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

test.runIf(hasSystemd)('systemd understands every line of them', () => {
  const beside = ['nats-server.service', 'nats-accounts-push.service']

  expect(complaints(folder, { beside })).toEqual([])
  const planted = { 'auth-callout-keys.path': '[Path]\nPathHasOtherKeys=/nowhere\n' }
  expect(complaints(folder, { beside, planted }).join()).toContain('PathHasOtherKeys')
})
