import { beforeAll, expect, test } from 'vitest'
import { POINT, rootCa, type TestCa, x509 } from '../testing/certificates.ts'
import { distributionPointOf } from './distribution-point.ts'

let root: TestCa
beforeAll(async () => {
  root = await rootCa('root')
})
const pointOf = async (...more: x509.Extension[]) => distributionPointOf(await root.issue({ more }))

test('where a certificate says that its list is, by https alone', async () => {
  expect(await pointOf(new x509.CRLDistributionPointsExtension([POINT]))).toBe(POINT)
  expect(await pointOf(new x509.CRLDistributionPointsExtension(['http://ca.example/crl', POINT]))).toBe(POINT)
})

test('nowhere, where it says nothing of use', async () => {
  expect(await pointOf()).toBeUndefined()
  expect(await pointOf(new x509.CRLDistributionPointsExtension(['http://ca.example/crl']))).toBeUndefined()
  expect(await pointOf(new x509.Extension('2.5.29.31', false, Buffer.from('3003020101', 'hex')))).toBeUndefined()
})
