import { expect, test } from 'vitest'
import { makeToken } from '../enrolment/token.ts'
import { activate } from '../storage/activation.ts'
import { claimToken, storeToken } from '../storage/enrolment-tokens.ts'
import { revokeGrant } from '../storage/grants.ts'
import { Patience } from '../storage/patience.ts'
import { openRenewal, registerRenewal } from '../storage/renewal.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeAuditRow, makeGrant, makeLeaf, makeTenant, type TestGrant } from '../storage/testing/tenant.ts'
import { admissionStore } from './admission-store.ts'

let database: TestDatabase
let grant: TestGrant
let alice: string
databaseForEach(async (mine) => {
  database = mine
  const tenant = await makeTenant(mine.owner)
  alice = tenant.alice
  grant = await makeGrant(mine.app, tenant)
})

const presented = (serial: string) => {
  return { serial, x5t: '', commonName: '', grantId: grant.grantId, subjectUserId: alice }
}

/** A certificate that nobody has used. */
async function issued(): Promise<string> {
  const [made, leaf] = [makeToken(), makeLeaf()]
  await storeToken(database.app, { ...grant, purpose: 'enrolment', ttlSeconds: 900, made })
  const claim = { sha256: made.sha256, requestId: crypto.randomUUID(), csrSha256: leaf.csrSha256 }
  const { issuanceId } = await claimToken(database.app, claim)
  const audit = makeAuditRow({ verb: 'enrol' })
  await activate(database.app, { ...grant, issuanceId: issuanceId!, purpose: 'enrolment', leaf, audit })
  return leaf.serial
}

test('a first use is one while the grant stands and the certificate is not of another state, and no more once either has ended', async () => {
  const store = admissionStore(database.app)
  const serial = await issued()
  const found = (await store.admission(presented(serial), new Patience(10_000))).grant!
  expect(found).toMatchObject({ id: grant.grantId, rights: { userId: alice } })
  expect(await store.accepted(presented(serial), found, new Patience(10_000))).toBe(true)
  expect(await store.accepted(presented(serial), found, new Patience(10_000))).toBe(true)
  const next = makeLeaf()
  const opened = await openRenewal(database.app, {
    ...grant,
    requestId: crypto.randomUUID(),
    csrSha256: next.csrSha256,
  })
  const { issuanceId } = opened as { issuanceId: string }
  expect(await registerRenewal(database.app, { ...grant, issuanceId, leaf: next })).toBe('issued')
  expect(await store.accepted(presented(next.serial), found, new Patience(10_000))).toBe(true)
  // The one before is superseded now.
  expect(await store.accepted(presented(serial), found, new Patience(10_000))).toBe(false)
  await revokeGrant(database.app, { tenantId: grant.tenantId, id: grant.grantId, reason: 'a test' })
  expect(await store.accepted(presented(next.serial), found, new Patience(10_000))).toBe(false)
})
