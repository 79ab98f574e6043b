import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfiguration } from '../shared/configuration.ts'
import { testFolder } from '../shared/testing/certificates.ts'
import { program } from './config.ts'

const folder = testFolder()
afterAll(() => rm(folder, { recursive: true }))

const least = { clusterId: 'cluster', nodeId: 'orc-1', dataDir: '/var/lib/bearer-node' }
const peers = [
  { id: 'orc-1', url: 'https://orc-1.cluster.test:8770' },
  { id: 'orc-2', url: 'http://127.0.0.2:8770/', voter: false },
]

function load(configuration: unknown, environment: Record<string, string> = {}, flags: Record<string, string> = {}) {
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify(configuration))
  return loadConfiguration(program, { file, environment, flags })
}

const mistakesIn = (configuration: unknown): string => {
  try {
    load(configuration)
    return ''
  } catch (failure) {
    return (failure as Error).message
  }
}

test('has a default for each key but three', () => {
  expect(load(least)).toEqual({
    ...least,
    ...{ unit: 'orchestrator', decisionLog: '/var/lib/bearer-node/decisions.jsonl' },
    ...{ listen: [{ address: '127.0.0.1', port: 8770 }], peers: [], proxies: [], pipelines: {} },
    auth: { require: false, readAccess: 'open', maxOverlapS: 86_400 },
    ...{ leaseMs: 10_000, peerTimeoutMs: 10_000 },
  })
  for (const key of Object.keys(least)) expect(mistakesIn({ ...least, [key]: undefined })).toContain(key)
})

test('takes a flag before a variable before the file before a default', () => {
  const given = { ...least, auth: { require: false }, leaseMs: 2_000 }
  expect(load(given, { BEARER_NODE_LEASE_MS: '3000' }).leaseMs).toBe(3_000)
  expect(load(given, { BEARER_NODE_LEASE_MS: '3000' }, { leaseMs: '4000' }).leaseMs).toBe(4_000)
  expect(load(given, {}, { 'auth.require': 'true' }).auth.require).toBe(true)
  expect(load(least, { BEARER_NODE_AUTH_READ_ACCESS: 'token' }).auth.readAccess).toBe('token')
})

test('takes a peer with its address and nothing more, one that votes unless it says no', () => {
  expect(load({ ...least, peers }).peers).toEqual([{ ...peers[0], voter: true }, peers[1]])
})

describe('refuses, and names', () => {
  test.each([
    ['listen.0.address', { listen: [{ address: 'localhost', port: 1 }] }],
    ['listen.0.port', { listen: [{ address: '::1', port: 0 }] }],
    ['listen', { listen: [] }],
    ['listen.0.tls.keyFile', { listen: [{ address: '::1', port: 1, tls: { certFile: 'x' } }] }],
    ['peers.0.url', { peers: [{ ...peers[0], url: 'https://orc-1/path' }] }],
    ['peers.0.url', { peers: [{ ...peers[0], url: 'https://user:secret@orc-1' }] }],
    ['peers.0.url', { peers: [{ ...peers[0], url: 'ws://orc-1' }] }],
    ['peers.0.url', { peers: [{ ...peers[0], url: 'https://orc-1/?x' }] }],
    ['peers', { peers: [peers[0], { ...peers[1], id: 'orc-1' }] }],
    ['peers', { peers: [peers[1]] }],
    ['proxies', { proxies: [{ name: 'edge', san: 'edge.test' }] }],
    ['auth.headerAlias', { auth: { headerAlias: 'Authorization' } }],
    ['auth.headerAlias', { auth: { headerAlias: 'X Token' } }],
    ['auth.maxOverlapS', { auth: { maxOverlapS: 0 } }],
    ['auth', { auth: { token: 'x' } }],
    ['leaseMs', { leaseMs: 999 }],
    ['leaseMs', { leaseMs: 600_001 }],
    ['pipelines', { pipelines: { 'a b': { params: {}, stages: [{ name: 'a', argv: ['a'], timeoutMs: 1 }] } } }],
    ['pipelines.a.stages', { pipelines: { a: { params: {}, stages: [] } } }],
    ['authToken', { authToken: 'x' }],
  ])('%s of %j', (key, configuration) => {
    expect(mistakesIn({ ...least, ...configuration })).toContain(key)
  })

  test('all of them at once', () => {
    const text = mistakesIn({ ...least, clusterId: 'A', leaseMs: 1, other: true, listen: [{ address: 'x', port: 1 }] })
    for (const key of ['clusterId', 'leaseMs', 'other', 'listen.0.address']) expect(text).toContain(key)
  })

  test('two proxies of one name or one certificate', () => {
    const listen = [{ address: '127.0.0.1', port: 1, tls: { certFile: 'a', keyFile: 'b', clientCaFile: 'c' } }]
    const edge = { name: 'edge', san: 'edge.test' }
    expect(mistakesIn({ ...least, listen, proxies: [edge] })).toBe('')
    expect(mistakesIn({ ...least, listen, proxies: [edge, { ...edge, san: 'other.test' }] })).toContain('a proxy twice')
    expect(mistakesIn({ ...least, listen, proxies: [edge, { ...edge, name: 'other' }] })).toContain('a SAN twice')
  })
})
