import { expect, test } from 'vitest'
import { mistakesOf, unitOf } from '../creds-intake/testing/command-post.ts'

const messaging = { server: 'nats-1', hosts: ['host-1', 'host-2'] }

test('logs in from its own address with what its intake installed, once that is there', () => {
  const { json, after } = unitOf('orchestrator', { orchestrator: { messaging } })
  expect(json.messaging).toEqual({
    ...{ server: 'tls://nats-1.test:4222', localAddress: '@{address}', hosts: messaging.hosts },
    ...{ credsDir: '@{dir}/units/creds-intake/nats-creds', connectDeadlineSeconds: 45, stream: {} },
  })
  expect(after).toEqual(expect.arrayContaining(['post/creds-intake', 'post/cert-post']))
})

test('without an auth server it exchanges no routes, and opens one listener', () => {
  const { json, service, insider, observe } = unitOf('orchestrator')
  expect(json).not.toHaveProperty('peering')
  expect(service?.listeners.map(({ name }) => name)).toEqual(['local'])
  expect(insider).toEqual({
    operator: { listener: 'local', sans: ['operator.test'] },
    start: expect.objectContaining({ listens: ['listen.local'] }),
  })
  expect(observe?.request).toEqual({ http: { paths: ['/v1/state', '/v1/inventory'] } })
})

test('operators command hosts and read what they tell; no token helps whoever is none', () => {
  const { actions, verification } = unitOf('orchestrator')
  expect(Object.keys(actions!)).toEqual(['node:read', 'commands:write', 'inventory:read'])
  expect(Object.keys(verification!)).toEqual(Object.keys(actions!))
  expect(actions!['commands:write']!.request).toMatchObject({ http: { json: { host: 'host-1' }, expect: [202] } })
  const last = Object.values(verification!).map(({ checks }) => checks.at(-1))
  const named = { check: 'certificate/named', args: { sans: ['operator.test'] } }
  const reasons = ['token_missing', 'not_operator', 'not_operator']
  expect(last).toMatchObject(reasons.map((reason) => ({ ...named, reason })))
})

test('files of a MongoDB are made before it is told of them', () => {
  const { json, steps } = unitOf('orchestrator', { orchestrator: { messaging: { ...messaging, mongo: true } } })
  const paths = Object.values((json.messaging as { mongo: Record<string, string> }).mongo)
  expect(paths).toHaveLength(2)
  expect(steps).toEqual(paths.map((path) => ({ secret: { path, bytes: 16 } })))
})

test('a stream is kept as long, and becomes as large, as it is said', () => {
  const stream = { maxAge: '2h', maxBytes: 4096 }
  expect(
    unitOf('orchestrator', { orchestrator: { messaging: { ...messaging, stream } } }).json.messaging,
  ).toMatchObject({
    stream: { maxAgeSeconds: 7200, maxBytes: 4096 },
  })
})

test.each([
  ['without work', { messaging: undefined }, 'is missing, and so is messaging'],
  ['without an intake', { messaging: { ...messaging, credentials: 'orchestrator' } }, 'is no creds-intake of "post"'],
  ['without a broker', { messaging: { ...messaging, server: 'ca' } }, 'needs the listener "nats" of "ca"'],
])('an orchestrator %s is a mistake', (_, orchestrator, message) => {
  expect(mistakesOf({ orchestrator }).join('\n')).toContain(message)
})
