import { expect, scenario } from 'holdfast/vitest'
import { inboundPeer, lend, newUser } from '../asking.ts'
import { doneBy, gatewayCommand, isWaitedFor, killHalfWay } from '../commands.ts'
import { type EnrolledPeer, type Federation, federation, type Invited, requestFor } from '../federation.ts'
import { signedFor, storedOf } from '../refusals.ts'

const test = scenario('federation', { own: true, waits: true }).extend('federation', federation)

const readyMs = 30_000
/** What was begun and not ended is closed after 15 s. */
const closedMs = 45_000

async function start(federation: Federation, letter: string): Promise<void> {
  const { site } = federation
  await site.node(`gateway-${letter}`).start('gateway')
  const admin = await federation.asAdmin(letter)
  const isReady = async () => (await admin.get('/readyz')).status === 200
  await site.until(`gateway ${letter} to be ready`, isReady, { withinMs: readyMs })
}

const kill = ({ site }: Federation, letter: string) => site.node(`gateway-${letter}`).kill('gateway')

async function restart(federation: Federation, letter: string): Promise<void> {
  await kill(federation, letter)
  await start(federation, letter)
}

/** The CA says nothing while this is done. */
async function withSilentCa<Result>({ site }: Federation, act: () => Promise<Result>): Promise<Result> {
  await site.node('ca').pause()
  try {
    return await act()
  } finally {
    await site.node('ca').resume()
  }
}

async function statusOf(federation: Federation, { grantId }: { grantId: string }): Promise<string> {
  return (await (await federation.asAdmin('b')).grant(grantId)).status
}

test('the lender, before a token is claimed: the token is as good as before', async ({ federation }) => {
  const invited = await federation.invite()
  const before = await storedOf(federation, invited)
  await restart(federation, 'b')
  expect(await storedOf(federation, invited)).toEqual(before)
  expect((await federation.redeem(invited)).status).toBe(200)
})

/** What keeps an enrolment at one place, until it is let go of. */
interface Held {
  isThere(invited: Invited): Promise<boolean>
  letGo(): Promise<unknown>
}

async function silentCa(federation: Federation): Promise<Held> {
  const ca = federation.site.node('ca')
  await ca.pause()
  const isClaimed = ({ issuance }: Awaited<ReturnType<typeof storedOf>>) =>
    issuance.some((row) => row.includes('"open"'))
  return { isThere: async (invited) => isClaimed(await storedOf(federation, invited)), letGo: () => ca.resume() }
}

/** Nobody registers a certificate. */
async function lockedCertificates(federation: Federation): Promise<Held> {
  const holder = await federation.database('b')
  await holder.query('BEGIN')
  await holder.query('LOCK TABLE federation_certificates IN SHARE MODE')
  const isThere = async (invited: Invited) => {
    const [signed] = await signedFor(federation, invited)
    return signed?.status === 201 && isWaitedFor(holder)
  }
  return { isThere, letGo: () => holder.query('COMMIT') }
}

test.for([
  ['before', silentCa],
  ['after', lockedCertificates],
] as const)(
  'the lender, after the claim, %s the answer of the CA: the token is spent, and another one is good',
  async ([, hold], { federation, site }) => {
    const invited = await federation.invite()
    // It has just heard that the CA is well, and so asks it.
    await federation.asPeer('scope-a', { subject: 'bob' })
    const { isThere, letGo } = await hold(federation)
    try {
      const redeemed = federation.redeem(invited)
      await site.until('the enrolment to be there', () => isThere(invited), { withinMs: readyMs })
      await kill(federation, 'b')
      expect((await redeemed).status).toBeNull()
    } finally {
      await letGo()
    }
    await start(federation, 'b')

    expect(await statusOf(federation, invited)).toBe('pending')
    expect((await storedOf(federation, invited)).certificates).toEqual([])
    expect((await federation.redeem(invited)).status).toBe(410)
    const told = async () =>
      (await federation.audit('b')).filter((row) => row.grant_id === invited.grantId && row.outcome === 'failed')
    const [row] = await site.until(
      'the audit to tell of it',
      async () => {
        const rows = await told()
        return rows.length > 0 && rows
      },
      { withinMs: closedMs, everyMs: 500 },
    )
    expect(row).toMatchObject({ verb: 'enrol', reason: 'issuance_abandoned' })
    const next = { ...invited, ...(await (await federation.asAdmin('b')).invite(invited.grantId)) }
    expect((await federation.redeem(next)).status).toBe(200)
    expect(await statusOf(federation, invited)).toBe('active')
    expect(await told()).toHaveLength(1)
  },
)

test('the lender, after the activation: the grant is active, and is enrolled anew', async ({ federation }) => {
  const lost = await federation.asPeer('scope-a')
  await restart(federation, 'b')

  expect(await statusOf(federation, lost.grant)).toBe('active')
  const admin = await federation.asAdmin('b')
  const invitation = await admin.invite(lost.grant.grantId, { purpose: 're-enrolment' })
  const again = { ...lost.grant, ...invitation, request: await requestFor(lost.grant.commonName) }
  const { serial } = (await federation.redeem(again)).value
  expect(serial).not.toBe(lost.answer.serial)
  expect((await lost.list('tasks')).status).not.toBe(200)
})

test('the asker, with a key and no certificate: it goes on with the same request', async ({ federation }) => {
  const [there, here] = [await federation.asAdmin('b'), await federation.asAdmin('a')]
  const { id: ownerUserId, user } = await newUser(federation)
  const subjectUserId = federation.seed('b').user('alice').id
  const scope = { resources: ['tasks'] }
  const peerId = await inboundPeer(federation)
  const { id: grantId } = await there.ask('grant:create', { body: { peerId, subjectUserId, scope } })
  const { enrollmentUrl, token } = await there.invite(grantId)
  const begun = await here.ask('peer:keypair', { body: { enrollmentUrl, ownerUserId } })
  await restart(federation, 'a')

  const resumed = await here.ask('peer:keypair', { body: { enrollmentUrl, peerId: begun.peerId } })
  expect(resumed).toMatchObject({ peerId: begun.peerId, csrPem: begun.csrPem })
  const request = { csrPem: resumed.csrPem, keyPem: '' }
  const { certPem, certChainPem, federationUrl } = (await federation.redeem({ token, request })).value
  // And once more, with the certificate at hand that was not yet brought.
  await restart(federation, 'a')
  const body = { certPem, certChainPem, grantId, subjectUserId, federationUrl }
  const peer = await here.ask('peer:cert', { parameters: { id: begun.peerId }, body })
  expect(peer.state).toBe('active')
  const listed = await user.list('tasks', { source: 'federated:gateway-b.somebiz.local.io' })
  expect(listed.value.items.length).toBeGreaterThan(0)
})

test.for(['a', 'b'])(
  'gateway %s, in a renewal: the certificate stays good, and the next one comes',
  async (letter, { federation, site }) => {
    const asking = await lend(federation)
    const here = await federation.asAdmin('a')
    const parameters = { id: asking.peerId }
    const search = () => asking.user.search('task', { source: asking.source })
    expect((await search()).value._partial).toBe(false)

    await withSilentCa(federation, async () => {
      const renewed = here.try('peer:renew', { parameters }).catch(() => undefined)
      const isOpen = async () =>
        (await storedOf(federation, asking)).issuance.some((row) => row.includes('"open"') && row.includes('renewal'))
      await site.until('the CA to be asked', isOpen, { withinMs: readyMs })
      await kill(federation, letter)
      await renewed
    })
    await start(federation, letter)
    const isWell = async () => !(await search()).value._partial
    await site.until('rows to come by the certificate that there is', isWell, { withinMs: closedMs, everyMs: 250 })
    const isRenewed = async () => (await here.try('peer:renew', { parameters })).status === 200
    await site.until('the next certificate', isRenewed, { withinMs: closedMs, everyMs: 500 })
    expect((await here.ask('peer:show', { parameters })).state).toBe('active')
    expect((await search()).value._partial).toBe(false)
  },
)

test('the lender, after a revocation was answered: it stands, and the CA hears of it', async ({ federation }) => {
  const peer: EnrolledPeer = await federation.asPeer('scope-a')
  const admin = await federation.asAdmin('b')
  await withSilentCa(federation, async () => {
    expect((await admin.revoke(peer.grant.grantId)).certificateRevocation).toBe('queued')
    await kill(federation, 'b')
  })
  await start(federation, 'b')

  expect((await peer.list('tasks')).status).not.toBe(200)
  await federation.revoked(peer.grant.grantId, { withinMs: readyMs })
  const refused = await peer.list('tasks')
  expect([refused.status, await federation.reason(refused)]).toEqual([null, 'cert_revoked'])
})

test('the lender, with rows of the audit in memory: each is there afterwards', async ({ federation, site }) => {
  const peer = await federation.asPeer('scope-a')
  const replies = await Promise.all(Array.from({ length: 30 }, () => peer.list('tasks')))
  await kill(federation, 'b')
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
  await start(federation, 'b')

  const isWhole = async () =>
    (await federation.audit('b')).filter((row) => row.grant_id === peer.grant.grantId && row.verb === 'list').length >=
    30
  await site.until('all rows to be there', isWhole, { withinMs: readyMs, everyMs: 250 })
  for (const reply of replies.slice(-3)) expect(await federation.audited(reply)).toMatchObject({ outcome: 'allowed' })
})

/** Names of tables, columns, indexes and triggers of a schema, and who may do what with them. */
async function shapeOf(federation: Federation, schema: string): Promise<string[]> {
  const rows = await (await federation.database('a')).query<{ text: string }>(
    `SELECT concat_ws(' ', table_name, column_name, udt_name, is_nullable) AS text
       FROM information_schema.columns WHERE table_schema = $1
     UNION ALL SELECT concat_ws(' ', tablename, indexname) FROM pg_indexes WHERE schemaname = $1
     UNION ALL SELECT concat_ws(' ', event_object_table, trigger_name, event_manipulation)
       FROM information_schema.triggers WHERE trigger_schema = $1
     UNION ALL SELECT concat_ws(' ', table_name, grantee, privilege_type)
       FROM information_schema.role_table_grants WHERE table_schema = $1
     ORDER BY 1`,
    [schema],
  )
  return rows.map(({ text }) => text)
}

test('gateway migrate, in the middle of a migration: that one was not begun, and the next run ends as one that was not killed', async ({
  federation,
  site,
}) => {
  const database = await federation.database('a')
  const migrate = () => doneBy<{ done: string[] }>(gatewayCommand(federation, 'a', ['migrate']))
  const namesOf = async () =>
    (await database.query('SELECT name FROM migrations ORDER BY name')).map(({ name }) => name)
  const all = await namesOf()
  const whole = await shapeOf(federation, 'public')
  await site.node('gateway-a').stop('gateway')
  // Nothing in the place of what it has, which lies beside it meanwhile.
  await database.query('ALTER SCHEMA public RENAME TO kept; CREATE SCHEMA public')
  try {
    // One of several tables that the fourth one makes.
    await database.query('BEGIN; CREATE TABLE federation_grants ()')
    await killHalfWay(federation, 'a', ['migrate'], database)
    await database.query('ROLLBACK')
    expect(await namesOf()).toEqual(all.slice(0, 3))
    expect((await shapeOf(federation, 'public')).filter((text) => text.startsWith('federation_'))).toEqual([])

    expect(await migrate()).toEqual({ done: all.slice(3) })
    expect(await shapeOf(federation, 'public')).toEqual(whole)
    expect(await migrate()).toEqual({ done: [] })
  } finally {
    await database.query('ROLLBACK')
    await database.query('DROP SCHEMA public CASCADE; ALTER SCHEMA kept RENAME TO public')
    await start(federation, 'a')
  }
})
