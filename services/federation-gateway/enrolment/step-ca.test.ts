import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCrl } from '../certificates/crl.ts'
import { readUuid } from '../certificates/extension-values.ts'
import { readLeaf } from '../certificates/leaf.ts'
import { derInPem } from '../certificates/pem.ts'
import { GRANT, makeCsr, OIDS, PEER, SUBJECT } from '../testing/certificates.ts'
import { liveRoot } from '../testing/live.ts'
import { type StepCa, stepCa } from '../testing/step-ca.ts'
import type { CaClient } from './ca-client.ts'

// The real step-ca, which says what the client must understand.

let ca: StepCa
let client: CaClient
beforeAll(async () => {
  ca = await stepCa()
  client = ca.client()
}, 600_000)
afterAll(async () => {
  client?.close()
  await ca?.[Symbol.asyncDispose]()
})

async function ask(by: CaClient = client, to: { grantId?: string; x5rt?: string } = {}, seconds = 300) {
  const csr = await makeCsr()
  const x5rt = createHash('sha256').update(derInPem(csr, 'CERTIFICATE REQUEST')!).digest('base64url')
  return by.sign(csr, { commonName: PEER, grantId: GRANT, subjectUserId: SUBJECT, x5rt, ...to }, seconds)
}

const list = async () =>
  readCrl(await client.list(`${ca.url}/1.0/crl`), {
    ...{ issuer: ca.issuing.certificate, distributionPoint: `${ca.url}/1.0/crl`, now: Date.now() },
  })

test('it signs what the token says', async () => {
  const [leaf, above, ...more] = await ask()
  expect([String(above), more]).toEqual([String(ca.issuing.certificate), []])
  const read = readLeaf(leaf!)!
  expect(read).toMatchObject({ commonNames: [PEER], names: [`dNSName:${PEER}`], isCa: false })
  expect(readUuid(read.extensions, OIDS.grant).value).toBe(GRANT)
  expect(readUuid(read.extensions, OIDS.subject).value).toBe(SUBJECT)
  expect(read.notAfter.getTime() - read.notBefore.getTime()).toBe(360_000)
})

test('it signs for the little time that a grant may have left', async () => {
  const before = ca.issued()
  const { notBefore, notAfter } = readLeaf((await ask(client, {}, 1))[0]!)!
  expect(notAfter.getTime() - notBefore.getTime()).toBe(61_000)
  expect(ca.issued()).toBe(before + 1)
})

test('it refuses another CSR, a token of no grant, and a client of another root gets nothing', async () => {
  await expect(ask(client, { x5rt: 'x'.repeat(43) })).rejects.toMatchObject({ code: 'CA_REFUSED' })
  await expect(ask(client, { grantId: '' })).rejects.toMatchObject({ code: 'CA_REFUSED' })
  const stranger = ca.client({ rootPem: String((await liveRoot('root')).certificate) })
  expect(await stranger.isReady()).toBe(false)
  await expect(ask(stranger)).rejects.toMatchObject({ code: 'CA_UNREACHABLE' })
  stranger.close()
})

test('what is revoked stands in its list, at once, and twice is as good as once', async () => {
  const [leaf] = await ask()
  const { serial } = readLeaf(leaf!)!
  const before = await list()
  expect(before.serials.has(serial)).toBe(false)
  await client.revoke(serial, 'the grant is revoked')
  await client.revoke(serial, 'the grant is revoked')
  const after = await list()
  expect(after.serials.has(serial)).toBe(true)
  expect(after.number > before.number).toBe(true)
})

test('one that was started anew refuses what is older, and signs with the token that comes after', async () => {
  await ca.stop()
  await ca.start()
  // The clock of whoever mints the first one is behind the start of the CA, and right by the second.
  const ticks = [Date.now() - 10_000]
  const behind = ca.client({ now: () => ticks.shift() ?? Date.now() })
  expect((await ask(behind))[0]).toBeDefined()
  const always = ca.client({ now: () => Date.now() - 60_000 })
  await expect(ask(always)).rejects.toMatchObject({ code: 'CA_REFUSED' })
  behind.close()
  always.close()
})

test('one that is down is not ready, and says so', async () => {
  await ca.stop()
  const fresh = ca.client()
  expect(await fresh.isReady()).toBe(false)
  await expect(ask(fresh)).rejects.toMatchObject({
    code: 'CA_UNREACHABLE',
    remedy: expect.stringContaining('STEP_CA_URL'),
  })
  await ca.start()
  expect((await ask(fresh))[0]).toBeDefined()
  fresh.close()
})
