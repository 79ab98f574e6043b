import { describe, expect, test } from 'vitest'
import type { PeerCertificate } from '../../shared/peer-certificate.ts'
import { type Connection, peerOf, proxyOf, remoteOf } from './callers.ts'

const proxies = [
  { name: 'edge', san: 'Edge.cluster.test' },
  { name: 'other', san: 'other.cluster.test' },
]
const peers = [
  { id: 'orc-1', url: 'https://orc-1.cluster.test:8770', voter: true },
  { id: 'orc-2', url: 'https://orc-2.cluster.test:8770', voter: true },
]

function connectionOf(certificate?: Partial<PeerCertificate>, hasOwnRoots = false): Connection {
  return {
    ...{ conn: '127.0.0.1:1', listener: 'a', address: '127.0.0.1', hasOwnRoots },
    certificate: certificate as PeerCertificate | undefined,
  }
}

test('a proxy is known by a name in a certificate that leads to a root, and by nothing else', () => {
  const sans = ['edge.cluster.test']
  expect(proxyOf(connectionOf({ domain: 'peers', sans }), proxies)).toBe('edge')
  expect(proxyOf(connectionOf({ domain: undefined, sans }), proxies)).toBeUndefined()
  expect(proxyOf(connectionOf({ domain: 'peers', sans: ['orc-1.cluster.test'] }), proxies)).toBeUndefined()
  expect(proxyOf(connectionOf(), proxies)).toBeUndefined()
  expect(proxyOf(connectionOf({ domain: 'peers', sans }), [])).toBeUndefined()
})

test('where proxies have roots of their own, a certificate of another one is none of theirs', () => {
  const sans = ['edge.cluster.test']
  expect(proxyOf(connectionOf({ domain: 'proxies', sans }, true), proxies)).toBe('edge')
  expect(proxyOf(connectionOf({ domain: 'peers', sans }, true), proxies)).toBeUndefined()
})

test('a peer is known by the host of its URL in a certificate that leads to a root', () => {
  expect(peerOf(connectionOf({ domain: 'peers', sans: ['x.test', 'orc-2.cluster.test'] }), peers)).toBe('orc-2')
  expect(peerOf(connectionOf({ domain: undefined, sans: ['orc-2.cluster.test'] }), peers)).toBeUndefined()
  expect(peerOf(connectionOf({ domain: 'peers', sans: ['orc-3.cluster.test'] }), peers)).toBeUndefined()
  expect(peerOf(connectionOf(), peers)).toBeUndefined()
})

describe('Forwarded', () => {
  const here = connectionOf()

  test.each([
    ['for=192.0.2.1', '192.0.2.1'],
    ['For=192.0.2.1;proto=https;by=203.0.113.43', '192.0.2.1'],
    ['proto=https; for="192.0.2.1:4711"', '192.0.2.1'],
    ['for="[2001:db8::1]:80"', '2001:db8::1'],
    ['for=198.51.100.1, for=192.0.2.1', '192.0.2.1'],
  ])('of a proxy says who called: %s', (forwarded, remote) => {
    expect(remoteOf(here, 'edge', forwarded)).toBe(remote)
  })

  test.each([
    ...['for=unknown', 'for=_hidden', 'by=192.0.2.1', 'for=192.0.2.999', 'for=192.0.2.1, for=_x', 'xfor=192.0.2.1', ''],
  ])('that says no address leaves that of the connection: %j', (forwarded) => {
    expect(remoteOf(here, 'edge', forwarded)).toBe('127.0.0.1')
  })

  test('of anybody else says nothing', () => {
    expect(remoteOf(here, undefined, 'for=192.0.2.1')).toBe('127.0.0.1')
    expect(remoteOf(here, 'edge', undefined)).toBe('127.0.0.1')
  })
})
