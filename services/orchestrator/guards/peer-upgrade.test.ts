import { expect, test } from 'vitest'
import type { UpgradeContext } from '../call-context.ts'
import { peerUpgrade } from './peer-upgrade.ts'

const ours = 'holdfast-peering.v1'

test.each<[string, string, number | undefined]>([
  ['ours', ours, undefined],
  ['ours among others', `other, ${ours}`, undefined],
  ['another one', 'other', 400],
  ['none', '', 400],
  ['ours and an empty one', `${ours}, ,`, 400],
  ['ours twice', `${ours}, ${ours}`, 400],
  ['ours and one that is no token', `${ours}, "other"`, 400],
])('an upgrade that offers as subprotocol: %s', async (_, offered, status) => {
  const headers = {
    ...{ host: 'node-a.test', upgrade: 'websocket', 'sec-websocket-version': '13' },
    ...{ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-protocol': offered },
  }
  const request = { url: '/v1/peering', method: 'GET', headers, rawHeaders: ['Host', 'node-a.test'], socket: {} }
  const context = { request, isUpgrade: true, host: 'node-a.test' } as unknown as UpgradeContext

  expect((await peerUpgrade.check(context))?.status).toBe(status)
})
