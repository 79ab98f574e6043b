import { describe, expect, test } from 'vitest'
import type { Config } from '../config.ts'
import { bearerExposure } from './exposure.ts'
import { RefusedStart, refuseStart } from './refused-start.ts'

// The table of places where a node may listen, whole: reach × TLS × token × what was asked for.

const LOOPBACK = ['127.0.0.1', '::1']
const PRIVATE = ['10.1.2.3', 'fd00::1', '169.254.0.7']
const EXPOSED = ['0.0.0.0', '::', '203.0.113.10', '100.64.0.1']

const tls = { certFile: 'cert', keyFile: 'key' }
const auth: Config['auth'] = { require: false, readAccess: 'open', headerAlias: undefined, maxOverlapS: 60 }
const proxies = [{ name: 'edge', san: 'edge.test' }]

interface Given {
  readonly hasToken: boolean
  readonly isTls: boolean
  readonly proxies?: Config['proxies']
  readonly isRequired?: boolean
}

async function judged(addresses: readonly string[], given: Given): Promise<{ reason?: string; message: string }> {
  const told: string[] = []
  const listen = addresses.map((address) => ({ address, port: 8770, ...(given.isTls && { tls }) }))
  const config = { listen, proxies: given.proxies ?? [], auth: { ...auth, require: given.isRequired ?? false } }
  try {
    await refuseStart([bearerExposure], { config, hasToken: given.hasToken, told })
    return { message: told.join('\n') }
  } catch (failure) {
    const { guard, reason, message } = failure as RefusedStart
    expect(failure).toBeInstanceOf(RefusedStart)
    expect(guard).toBe('bearer.exposure')
    return { reason, message }
  }
}

describe.each(LOOPBACK)('%s', (address) => {
  test('may be plain, and may be open, which is told', async () => {
    expect(await judged([address], { hasToken: true, isTls: false })).toEqual({ message: '' })
    expect(await judged([address], { hasToken: true, isTls: true })).toEqual({ message: '' })
    const open = await judged([address], { hasToken: false, isTls: false })
    expect(open.reason).toBeUndefined()
    expect(open.message).toContain('asks for no token')
    expect((await judged([address], { hasToken: false, isTls: false, proxies })).reason).toBeUndefined()
  })
})

describe.each(PRIVATE)('%s', (address) => {
  test('may be plain, and may be open, each of which is told', async () => {
    expect(await judged([address], { hasToken: true, isTls: true })).toEqual({ message: '' })
    const plain = await judged([address], { hasToken: true, isTls: false })
    expect(plain.reason).toBeUndefined()
    expect(plain.message).toContain('the token crosses the network in clear')
    const open = await judged([address], { hasToken: false, isTls: true })
    expect(open.reason).toBeUndefined()
    expect(open.message).toContain('asks for no token')
  })

  test.each([{ proxies }, { isRequired: true }])('may not be open with %j', async (asked) => {
    for (const isTls of [true, false]) {
      expect((await judged([address], { hasToken: false, isTls, ...asked })).reason).toBe('open_exposed')
      expect((await judged([address], { hasToken: true, isTls, ...asked })).reason).toBeUndefined()
    }
  })
})

describe.each(EXPOSED)('%s', (address) => {
  test('is closed and not plain, or is not started', async () => {
    expect(await judged([address], { hasToken: true, isTls: true })).toEqual({ message: '' })
    expect((await judged([address], { hasToken: true, isTls: false })).reason).toBe('plaintext_exposed')
    expect((await judged([address], { hasToken: false, isTls: true })).reason).toBe('open_exposed')
    expect((await judged([address], { hasToken: false, isTls: false })).reason).toBe('plaintext_exposed')
  })
})

test('each listener is judged, not the first alone, and named', async () => {
  const { reason, message } = await judged(['127.0.0.1', '::'], { hasToken: true, isTls: false })
  expect(reason).toBe('plaintext_exposed')
  expect(message).toContain('listen [::]:8770')
})
