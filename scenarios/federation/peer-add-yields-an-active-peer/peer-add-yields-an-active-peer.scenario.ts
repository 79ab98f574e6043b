import { expect, putFile, scenario } from 'holdfast/vitest'
import { bring, certified, commandLine, done, inboundPeer, invitation, newUser } from '../asking.ts'
import { type Federation, federation, type Reply } from '../federation.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

interface Listed {
  readonly id: string
  readonly direction?: string
  readonly state?: string
  readonly status?: string
  readonly remoteGrantId?: string | null
  readonly certificates?: readonly {
    readonly state: string
    readonly serial: string
    readonly 'x5t#S256': string
    readonly notAfter: string
  }[]
}

/** What a list of the program says of one thing. */
async function listed(federation: Federation, letter: string, list: 'peer' | 'grant', id: string) {
  const all = await done<Record<string, Listed[]>>(commandLine(federation, letter, list, 'list', '--json'))
  return Object.values(all)
    .flat()
    .find((one) => one.id === id)
}

/** Ids of the rows in an answer, sorted. */
const idsOf = ({ value }: Reply<{ items: readonly { id: string }[] }>) => value.items.map(({ id }) => id).sort()

test.for([
  ['a', 'b', 'bob'],
  ['b', 'a', 'alice'],
] as const)(
  '%s asks %s, from an invitation to the end of the grant',
  async ([asker, lender, subject], { federation }) => {
    const there = (...words: string[]) => commandLine(federation, lender, ...words, '--json')
    const here = (...words: string[]) => commandLine(federation, asker, ...words, '--json')
    const { id: userId, name, user } = await newUser(federation, asker)
    const inbound = await inboundPeer(federation, lender, asker)
    const [scope, invitation] = [`given/${name}.json`, `given/${name}.invitation`]
    await putFile(federation.site, `gateway-${lender}`, scope, JSON.stringify({ resources: ['tasks'] }))

    const parties = ['--user', subject, '--peer', inbound, '--scope', scope]
    const { id: grant } = await done<Listed>(there('grant', 'create', ...parties))
    expect(await listed(federation, lender, 'grant', grant)).toMatchObject({ status: 'pending', peerId: inbound })
    await done(there('grant', 'token', grant, '--out', invitation))
    await bring(federation, lender, asker, invitation)

    const peer = await done<Listed>(here('peer', 'add', '--invitation', invitation, '--for', name))
    expect(peer).toMatchObject({ direction: 'outbound', state: 'active', ownerUserId: userId, remoteGrantId: grant })
    expect(await listed(federation, asker, 'peer', peer.id)).toEqual(peer)
    expect(await listed(federation, lender, 'peer', inbound)).toMatchObject({ direction: 'inbound', state: 'active' })
    expect(await listed(federation, lender, 'grant', grant)).toMatchObject({ status: 'active' })
    const { certificates = [] } = await done<Listed>(there('grant', 'show', grant))
    expect(certificates).toMatchObject([{ state: 'issued', serial: peer.certificates![0]!.serial }])

    const source = `federated:${federation.site.plan.nodes[`gateway-${lender}`]!.host}` as const
    const lent = federation.seed(lender).visible(subject, 'tasks')
    expect(lent.length).toBeGreaterThan(0)
    expect(idsOf(await user.list('tasks', { source }))).toEqual(lent)
    expect((await done<Listed>(there('grant', 'show', grant))).certificates).toMatchObject([{ state: 'active' }])

    // An invitation is used once, and says so; the peer stays as it is.
    const again = await here('peer', 'add', '--invitation', invitation, '--for', name)
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('conflict') })
    expect(await listed(federation, asker, 'peer', peer.id)).toMatchObject({ state: 'active' })

    expect(await done(there('grant', 'revoke', grant))).toMatchObject({ certificateRevocation: 'effective' })
    expect(await listed(federation, lender, 'grant', grant)).toMatchObject({ status: 'revoked' })
    expect((await user.list('tasks', { source })).body).not.toContain(lent[0])
    await done(here('peer', 'remove', peer.id))
    expect(await listed(federation, asker, 'peer', peer.id)).toBeUndefined()
    expect((await user.list('tasks', { source })).status).toBe(404)
  },
)

test('until it is there it is asked nothing, and nobody misses it', async ({ federation }) => {
  const { id: ownerUserId, user } = await newUser(federation)
  const { enrollmentUrl, token } = await invitation(federation)
  const here = await federation.asAdmin('a')
  const { peerId: id, csrPem } = await here.ask('peer:keypair', { body: { enrollmentUrl, ownerUserId } })
  const source = `federated:${federation.site.node('gateway-b').host}` as const
  const [row] = federation.seed('b').visible('alice', 'tasks')
  const questions = [
    () => user.getRow('tasks', row!, { source }),
    () => user.search('plan', { source }),
    () => user.capabilities({ source }),
    () => user.list('tasks', { source }),
  ]

  const pending = { status: 503, error: 'peer_unavailable', guard: 'qry.peer', reason: 'peer_pending' }
  for (const ask of questions) await expectRefused(federation, await ask(), pending, { at: 'a' })
  expect((await user.list('tasks', { source: 'all' })).value).toMatchObject({
    _partial: false,
    _sources: [
      { source: 'local', state: 'ok' },
      { source, state: 'skipped', reason: 'peer_pending' },
    ],
  })

  await here.ask('peer:cert', { parameters: { id }, body: await certified(federation, { token, csrPem }) })
  await federation.connectAnonymously('b')
  for (const ask of questions) expect((await ask()).status).toBe(200)
  // Each call has its row: there was none before.
  const calls = async () =>
    (await federation.audit('a')).filter(({ peer_id: peer }) => peer === id).map(({ verb }) => verb)
  const all = await federation.site.until(
    'the last call to have its row',
    async () => {
      const verbs = await calls()
      return verbs.at(-1) === 'list' && verbs
    },
    { withinMs: 5_000 },
  )
  expect(all).toEqual(['get', 'search', 'capabilities', 'list'])
})

/** All of the program's list of grants with this status. */
async function grantsWith(federation: Federation, status: string): Promise<readonly Listed[]> {
  const ran = commandLine(federation, 'b', 'grant', 'list', '--status', status, '--json')
  return (await done<{ grants: Listed[] }>(ran)).grants
}

/** The line of a list that begins with this id, as people read it. */
async function lineOf(federation: Federation, letter: string, list: 'peer' | 'grant', id: string): Promise<string> {
  const { stdout } = await commandLine(federation, letter, list, 'list')
  return stdout.split('\n').find((line) => line.startsWith(id)) ?? `no ${id} in ${stdout}`
}

test('grant list says of each grant in which state it is, and shows those of one state alone', async ({
  federation,
}) => {
  const admin = await federation.asAdmin('b')
  const [{ grantId: pending }, active, revoked, expired] = [
    await federation.invite(),
    await federation.enrol(),
    await federation.enrol(),
    await federation.enrol(),
  ]
  await admin.revoke(revoked.grant.grantId)
  // Its time is over, and nobody has written that down so far.
  const database = await federation.database('b')
  const over = 'UPDATE federation_grants SET expires_at = now() WHERE id = $1 RETURNING status'
  expect(await database.query(over, [expired.grant.grantId])).toEqual([{ status: 'active' }])

  const [{ grantId: running }, { grantId: ended }, { grantId: late }] = [active.grant, revoked.grant, expired.grant]
  const states = { pending, active: running, revoked: ended, expired: late }
  for (const [status, id] of Object.entries(states)) {
    const listed = await grantsWith(federation, status)
    expect(new Set(listed.map((one) => one.status)), status).toEqual(new Set([status]))
    const found = Object.values(states).filter((one) => listed.some((grant) => grant.id === one))
    expect(found, status).toEqual([id])
    expect(await lineOf(federation, 'b', 'grant', id)).toMatch(new RegExp(`^${id} +${status} +`))
  }
})

test('peer list says of each peer in which state it is, with its certificate where it has one', async ({
  federation,
}) => {
  const there = await federation.asAdmin('b')
  const [waiting, active, ended] = [await federation.invite(), await federation.enrol(), await federation.enrol()]
  await there.ask('peer:remove', { parameters: { id: ended.grant.peerId } })
  const inbound = { pending: waiting.peerId, active: active.grant.peerId, revoked: ended.grant.peerId }
  for (const [state, id] of Object.entries(inbound)) {
    expect(await listed(federation, 'b', 'peer', id)).toMatchObject({ direction: 'inbound', state })
    expect(await lineOf(federation, 'b', 'peer', id)).toMatch(new RegExp(`^${id} +inbound +\\S+ +${state}\\b`))
  }

  const { id: ownerUserId } = await newUser(federation)
  const { enrollmentUrl, token } = await invitation(federation)
  const here = await federation.asAdmin('a')
  const { peerId: id, csrPem } = await here.ask('peer:keypair', { body: { enrollmentUrl, ownerUserId } })
  expect(await listed(federation, 'a', 'peer', id)).toMatchObject({ state: 'pending', certificates: [] })
  await here.ask('peer:cert', { parameters: { id }, body: await certified(federation, { token, csrPem }) })
  const { certificates = [] } = (await listed(federation, 'a', 'peer', id))!
  expect(certificates).toMatchObject([{ state: 'current', 'x5t#S256': expect.stringMatching(/^[\w-]{43}$/) }])
  const [{ 'x5t#S256': x5t, serial, notAfter }] = certificates as [Required<Listed>['certificates'][number]]
  // Other claims say how it comes to each of these states; here they are those that the database has.
  const database = await federation.database('a')
  for (const state of ['degraded', 'expired', 'revoked', 'broken', 'active']) {
    await database.query('UPDATE federation_peers SET state = $2::peer_state WHERE id = $1', [id, state])
    expect(await listed(federation, 'a', 'peer', id), state).toMatchObject({ direction: 'outbound', state })
    const line = await lineOf(federation, 'a', 'peer', id)
    expect(line.split(/ {2,}/).slice(3), line).toEqual([state, x5t, serial, notAfter])
  }
})

test('peers and grants are shown without a key of either', async ({ federation }) => {
  for (const letter of ['a', 'b']) {
    const lists = [
      await commandLine(federation, letter, 'peer', 'list'),
      await commandLine(federation, letter, 'grant', 'list'),
    ]
    expect(lists.map(({ code }) => code)).toEqual([0, 0])
    expect(lists.map(({ stdout }) => stdout).join('')).not.toMatch(/PRIVATE|BEGIN|fgk1/)
  }
})
