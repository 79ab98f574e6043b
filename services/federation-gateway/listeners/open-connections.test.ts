import type { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { NOW, rootCa } from '../testing/certificates.ts'
import { OpenConnections } from './open-connections.ts'

class FakeSocket extends EventEmitter {
  destroyed = false
  destroy(): this {
    if (!this.destroyed) {
      this.destroyed = true
      this.emit('close')
    }
    return this
  }
}

let one: X509Certificate
let other: X509Certificate
let now: number
let open: OpenConnections

beforeAll(async () => {
  const ca = await rootCa('root')
  one = await ca.issue({ serial: '0a' })
  other = await ca.issue({ serial: '0b', notAfter: new Date(NOW + 1_000) })
})
beforeEach(() => {
  vi.useFakeTimers()
  now = NOW
  open = new OpenConnections({ most: 3, mostPerCertificate: 2 }, () => now)
})
afterEach(() => {
  open.close()
  vi.useRealTimers()
})

function admitted(certificate: X509Certificate): FakeSocket | undefined {
  const socket = new FakeSocket()
  return open.admit(socket as never, certificate) ? socket : undefined
}

test('there are so many places for each certificate, and for all', () => {
  const first = admitted(one)
  expect([first, admitted(one)]).not.toContain(undefined)
  expect(admitted(one)).toBeUndefined()
  expect(admitted(other)).toBeDefined()
  expect(admitted(other)).toBeUndefined()
  first?.destroy()
  expect(open.size).toBe(2)
  expect(admitted(one)).toBeDefined()
})

test('connections of revoked certificates end: idle ones at once, busy ones after their answers', () => {
  const [idle, busy] = [admitted(one)!, admitted(one)!]
  const untouched = admitted(other)!
  const [first, second] = [open.begin(busy), open.begin(busy)]
  open.endRevoked(new Set(['a']))
  expect([idle, busy, untouched].map(({ destroyed }) => destroyed)).toEqual([true, false, false])
  first()
  expect(busy.destroyed).toBe(false)
  second()
  expect(busy.destroyed).toBe(true)
})

test('a request that never ends holds no revoked connection for longer than ten seconds', () => {
  const busy = admitted(one)!
  open.begin(busy)
  open.endRevoked(new Set(['a']))
  vi.advanceTimersByTime(9_999)
  expect(busy.destroyed).toBe(false)
  vi.advanceTimersByTime(1)
  expect(busy.destroyed).toBe(true)
})

test('a connection ends with its certificate, within a second', () => {
  const [ends, stays] = [admitted(other)!, admitted(one)!]
  now = NOW + 999
  vi.advanceTimersByTime(1_000)
  expect(ends.destroyed).toBe(false)
  now = NOW + 1_000
  vi.advanceTimersByTime(1_000)
  expect([ends.destroyed, stays.destroyed]).toEqual([true, false])
})
