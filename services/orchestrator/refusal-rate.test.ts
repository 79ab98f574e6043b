import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { program } from './config.ts'
import { createRefusalRate } from './refusal-rate.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const MINUTE = 60_000

test('an address is refused 600 times a minute by as many certificates as it likes; another address goes on', () => {
  const rate = createRefusalRate({ perCertificate: 60, perAddress: 600 })
  const from = (address: string, certificate: number) => ({ thumbprint: `x5t-${certificate}`, address })
  for (let refused = 0; refused < 600; refused += 1) {
    expect(rate.blockedFor(from('127.0.0.1', refused))).toBeUndefined()
    rate.count(from('127.0.0.1', refused))
  }
  vi.advanceTimersByTime(MINUTE / 2)
  expect(rate.blockedFor(from('127.0.0.1', 600))).toBe(30)
  expect(rate.blockedFor({ thumbprint: undefined, address: '127.0.0.1' })).toBe(30)
  expect(rate.blockedFor(from('127.0.0.2', 600))).toBeUndefined()

  vi.advanceTimersByTime(MINUTE / 2)
  expect(rate.blockedFor(from('127.0.0.1', 600))).toBeUndefined()
})

test('whoever has a network of IPv6 is refused no more often for having its addresses, and an address of IPv4 is one in either form', () => {
  const rate = createRefusalRate({ perCertificate: 60, perAddress: 600 })
  const from = (address: string) => ({ thumbprint: undefined, address })
  for (let refused = 0; refused < 600; refused += 1) {
    rate.count(from(`2001:db8::${refused.toString(16)}:1`))
    rate.count(from(refused % 2 === 0 ? '192.0.2.1' : '::ffff:192.0.2.1'))
  }
  for (const address of ['2001:db8::ffff', '2001:db8:0:0:1::', '192.0.2.1', '::ffff:192.0.2.1'])
    expect(rate.blockedFor(from(address)), address).toBe(60)
  for (const address of ['2001:db8:0:1::1', '192.0.2.2'])
    expect(rate.blockedFor(from(address)), address).toBeUndefined()
})

test('a certificate is refused 60 times a minute from wherever it comes; another one from there goes on', () => {
  const rate = createRefusalRate({ perCertificate: 60, perAddress: 600 })
  for (let refused = 0; refused < 60; refused += 1) rate.count({ thumbprint: 'one', address: `127.0.0.${refused}` })
  expect(rate.blockedFor({ thumbprint: 'one', address: '127.0.0.99' })).toBe(60)
  expect(rate.blockedFor({ thumbprint: 'other', address: '127.0.0.1' })).toBeUndefined()
})

test('unless told otherwise a node refuses 60 times for each certificate and 600 times for each address, and takes 10 to 100 000', () => {
  const own = { node: 'node-a', host: 'node-a.test', listen: {}, storage: { path: 'state.db' }, decisionLog: 'log' }
  const files = { trustDomain: { name: 'org-a', ca: 'ca.pem' }, tls: { cert: 'cert.pem', key: 'key.pem' } }
  const auth = { issuer: 'https://auth.test' }
  const given = ({ handshakes, handshakeRecords, ...limits }: Record<string, number> = {}) =>
    program.schema.safeParse({ ...own, ...files, limits: { handshakes, handshakeRecords }, peering: { auth, limits } })
  expect(given().data?.peering?.limits).toMatchObject({ refusalsPerCertificate: 60, refusalsPerAddress: 600 })
  expect(given().data?.limits).toEqual({ handshakes: 256, handshakeRecords: 600 })
  for (const limit of ['refusalsPerCertificate', 'refusalsPerAddress', 'handshakes', 'handshakeRecords']) {
    for (const [value, isTaken] of [
      [9, false],
      [10, true],
      [100_000, true],
      [100_001, false],
    ] as const) {
      expect([limit, value, given({ [limit]: value }).success]).toEqual([limit, value, isTaken])
    }
  }
})
