import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { hostRefusal } from './own-host.ts'

const names = ['node-a.test']

function request(url: string, ...hosts: string[]): IncomingMessage {
  const rawHeaders = hosts.flatMap((host) => ['Host', host])
  return { url, rawHeaders, headers: { host: hosts[0] }, socket: { localPort: 9443 } } as unknown as IncomingMessage
}

test.each([
  ['/', 'node-a.test'],
  ['/', 'NODE-A.test'],
  ['/', 'node-a.test:9443'],
  ['https://node-a.test:9443/', 'node-a.test'],
])('%s at %s is meant for this host', (url, host) => {
  expect(hostRefusal(request(url, host), names)).toBeUndefined()
})

test.each([
  ['no host', request('/'), 400, 'host_missing'],
  ['two hosts', request('/', 'node-a.test', 'node-a.test'), 400, 'host_repeated'],
  ['another host', request('/', 'node-b.test'), 421, 'host_mismatch'],
  ['another port', request('/', 'node-a.test:9444'), 421, 'host_mismatch'],
  ['a trailing dot', request('/', 'node-a.test.'), 421, 'host_mismatch'],
  ['a target that names another host', request('https://node-b.test/', 'node-a.test'), 421, 'host_mismatch'],
])('%s is refused', (_, asked, status, reason) => {
  expect(hostRefusal(asked, names)).toMatchObject({ status, reason })
})
