import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type TestAuthority, type TestIdentity, testAuthority, testFolder } from '../shared/testing/certificates.ts'
import { freePort, until } from '../shared/testing/service-process.ts'
import { startNode, type TestNode } from './testing/process.ts'
import { exchange, requestOf } from './testing/raw.ts'
import { OLD } from './testing/tokens.ts'

// Real nodes and their TLS files: those of a start, those that come late, and others in their place.

vi.setConfig({ testTimeout: 120_000 })

const root = testFolder()
let authority: TestAuthority
beforeAll(async () => {
  authority = await testAuthority(root, 'cluster')
})
afterAll(() => rm(root, { recursive: true }))

let made = 0

async function site(first?: TestIdentity) {
  made += 1
  const folder = join(root, `tls-${made}`)
  mkdirSync(folder, { mode: 0o700 })
  const tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  const put = (identity: TestIdentity) => {
    copyFileSync(identity.certFile, tls.certFile)
    copyFileSync(identity.keyFile, tls.keyFile)
  }
  if (first !== undefined) put(first)
  const [secure, local] = [await freePort(), await freePort()]
  const listen = [
    { address: '127.0.0.1', port: secure, tls },
    { address: '127.0.0.1', port: local },
  ]
  const node: TestNode = await startNode(root, { args: ['--auth-token', OLD], configuration: { listen } })
  const reasons = async () => {
    const { body } = await exchange(local, requestOf('GET', '/readyz'))
    return (JSON.parse(body) as { reasons?: string[] }).reasons ?? []
  }
  return { node, tls, put, secure, reasons, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() }
}

/** Serial of the certificate that a handshake gets; undefined where there is none. */
function serialAt(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'orc-1.cluster.test', ca: authority.pem }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', () => resolve(undefined))
  })
}

test('others are used by new handshakes after a signal; a pair that cannot be used leaves those in use, and is told', async () => {
  const [first, second] = [
    await authority.issue({ sans: ['orc-1.cluster.test'] }),
    await authority.issue({ sans: ['orc-1.cluster.test'] }),
  ]
  await using here = await site(first)
  const before = await serialAt(here.secure)
  here.put(second)
  here.node.process.kill('SIGHUP')
  await until(async () => ![before, undefined].includes(await serialAt(here.secure)), 'the new certificate', 5_000)
  const after = await serialAt(here.secure)
  expect(await here.reasons()).toEqual([])

  for (const spoil of [
    () => copyFileSync(first.keyFile, here.tls.keyFile),
    () => writeFileSync(here.tls.certFile, 'nothing'),
    () => rmSync(here.tls.certFile),
  ]) {
    spoil()
    here.node.process.kill('SIGHUP')
    await until(async () => (await here.reasons()).includes('tls_reload_refused'), 'its being degraded', 5_000)
    expect(await serialAt(here.secure)).toBe(after)
    here.put(second)
    here.node.process.kill('SIGHUP')
    await until(async () => (await here.reasons()).length === 0, 'its being ready', 5_000)
  }
})

test('a node without a certificate waits for it, says so, and answers nobody there until then, least of all in clear', async () => {
  await using here = await site()
  expect(await here.reasons()).toEqual(['certificate_missing'])
  expect(await serialAt(here.secure)).toBeUndefined()
  expect((await exchange(here.secure, requestOf('GET', '/healthz'))).text).toBe('')
  here.put(await authority.issue({ sans: ['orc-1.cluster.test'] }))
  await until(async () => (await serialAt(here.secure)) !== undefined, 'its listening', 5_000)
  await until(async () => (await here.reasons()).length === 0, 'its being ready', 5_000)
})
