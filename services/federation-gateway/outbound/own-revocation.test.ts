import type { X509Certificate } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { NOW, POINT, rootCa, type TestCa } from '../testing/certificates.ts'
import { type ListSource, OwnRevocation } from './own-revocation.ts'

let root: TestCa
let below: TestCa
let leaf: X509Certificate

beforeAll(async () => {
  root = await rootCa('root')
  below = await root.sub('below')
  leaf = await below.issue({ serial: '0abc' })
})

const fails: ListSource = () => Promise.reject(new Error('not there'))
const gives =
  (list: Promise<Buffer>): ListSource =>
  () =>
    list
const own = () => ({ chain: [leaf, below.certificate], root: root.certificate, distributionPoint: POINT })
const isListed = (...sources: ListSource[]) => new OwnRevocation(sources, () => NOW).isListed(own())

test('a certificate is revoked that stands in a fresh list of its CA, wherever that comes from', async () => {
  const list = gives(below.crl({ serials: ['0abc'] }))
  expect(await isListed(list)).toBe(true)
  expect(await isListed(fails, list)).toBe(true)
  expect(await isListed(gives(Promise.resolve(Buffer.from('<html>'))), list)).toBe(true)
  expect(await isListed(gives(below.crl({ serials: ['0abd'] })))).toBe(false)
})

test('nothing else says so', async () => {
  const other = await rootCa('other')
  const forged = await other.sub('below')
  const serials = ['0abc']
  expect(await isListed()).toBe(false)
  expect(await isListed(fails)).toBe(false)
  expect(await isListed(gives(forged.crl({ serials })))).toBe(false)
  expect(await isListed(gives(root.crl({ serials })))).toBe(false)
  expect(await isListed(gives(below.crl({ serials, nextUpdate: new Date(NOW - 1) })))).toBe(false)
  expect(await isListed(gives(below.crl({ serials, point: undefined })))).toBe(false)
  const revocation = new OwnRevocation([gives(below.crl({ serials }))], () => NOW)
  expect(await revocation.isListed({ ...own(), root: other.certificate })).toBe(false)
  expect(await revocation.isListed(own())).toBe(true)
})

test('those who ask together ask once, and an older list says nothing more', async () => {
  let asked = 0
  let list = await below.crl({ number: 2 })
  const revocation = new OwnRevocation(
    [
      async () => {
        asked += 1
        return list
      },
    ],
    () => NOW,
  )
  expect(await Promise.all([revocation.isListed(own()), revocation.isListed(own())])).toEqual([false, false])
  expect(asked).toBe(1)
  list = await below.crl({ number: 1, serials: ['0abc'] })
  expect(await revocation.isListed(own())).toBe(false)
  list = await below.crl({ number: 3, serials: ['0abc'] })
  expect(await revocation.isListed(own())).toBe(true)
})
