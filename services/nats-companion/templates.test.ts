import { join } from 'node:path'
import { expect, test } from 'vitest'
import { complaints, hasSystemd, settingsIn } from '../shared/testing/systemd-units.ts'

const folder = join(import.meta.dirname, 'templates')
const valuesIn = settingsIn(folder)
const valuesOf = (setting: string) => valuesIn('nats-server.service', setting)

test('the broker starts after the setup and its hand-over, and not without them', () => {
  const setup = ['nats-auth-setup.service', 'shared-creds-copy.service']

  expect(valuesOf('Requires')).toEqual([setup.join(' ')])
  expect(valuesOf('After').join(' ').split(' ')).toEqual(expect.arrayContaining(setup))
})

test('what would let in everybody where it is missing is handed to it, and looked for before each start', () => {
  const handed = valuesOf('LoadCredential').map((one) => one.split(':')[0])
  const [check = ''] = valuesOf('ExecStartPre')
  const looked = check.replace(/^.* check /, '').split(' ')

  expect(looked).toEqual(['server.conf', 'HOLO.jwt', 'main-resolver.conf'])
  expect(handed).toEqual(expect.arrayContaining(looked))
  // Where these names lead.
  expect(valuesOf('WorkingDirectory')).toEqual(['%d'])
})

test('a broker that ends is started again, after a second', () => {
  expect([valuesOf('Restart'), valuesOf('RestartSec')]).toEqual([['always'], ['1s']])
})

test.runIf(hasSystemd)('systemd understands every line of them', () => {
  const beside = ['nats-auth-setup.service', 'shared-creds-copy.service']

  expect(complaints(folder, { beside })).toEqual([])
  const planted = { 'nats-companion.service': '[Service]\nExecStart=/bin/true\nStartsAfterAll=yes\n' }
  expect(complaints(folder, { beside, planted }).join()).toContain('StartsAfterAll')
})
