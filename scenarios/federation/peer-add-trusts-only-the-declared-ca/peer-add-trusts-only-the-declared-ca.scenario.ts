import { expect, issueLeaf, putFile, rogueAuthority, scenario } from 'holdfast/vitest'
import { commandLine, inboundPeer, newUser } from '../asking.ts'
import { type Federation, federation } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

interface Invitation {
  readonly enrollmentUrl: string
  readonly caPem: string
  readonly token: string
  readonly grantId: string
}

/** What B would hand to A's administrator: for a grant that nobody has yet. */
async function invitation(federation: Federation): Promise<Invitation> {
  const admin = await federation.asAdmin('b')
  const parties = { peerId: await inboundPeer(federation), subjectUserId: federation.seed('b').user('alice').id }
  const { id: grantId } = await admin.ask('grant:create', { body: { ...parties, scope: { resources: ['tasks'] } } })
  return { ...(await admin.invite(grantId)), grantId }
}

/** `peer add` at A, of an invitation that somebody may have changed. */
async function add(federation: Federation, name: string, given: Pick<Invitation, 'enrollmentUrl' | 'caPem'>) {
  const file = `given/${crypto.randomUUID()}.invitation`
  await putFile(federation.site, 'gateway-a', file, JSON.stringify(given))
  return commandLine(federation, 'a', 'peer', 'add', '--invitation', file, '--for', name, '--json')
}

const statusAtB = async (federation: Federation, { grantId }: Invitation) =>
  (await (await federation.asAdmin('b')).grant(grantId)).status
const peersOf = async (federation: Federation, userId: string) => {
  const { items } = await (await federation.asAdmin('a')).ask('peer:list', { query: { limit: '1000' } })
  return items.filter(({ ownerUserId }) => ownerUserId === userId)
}

const zeros = '0'.repeat(64)
/** What is wrong with a URL, and what is said of it. */
const urls: Record<string, readonly [(url: string) => string, RegExp]> = {
  'plain http': [(url) => url.replace('https:', 'http:'), /not https/],
  'user information': [(url) => url.replace('https://', 'https://admin:x@'), /user information/],
  'an address in place of a name': [(url) => url.replace(/\/\/[^:]+:/, '//127.0.0.1:'), /no DNS name/],
  'another path': [(url) => url.replace('/enrollment/', '/v1/'), /its path/],
  'a path before it': [(url) => url.replace('/api/', '/x/api/'), /its path/],
  'a query': [(url) => url.replace('#', '?x=1#'), /its path/],
  'another root in the fragment': [(url) => url.replace(/sha256:[0-9a-f]{64}/, `sha256:${zeros}`), /root/],
  'half of a fragment': [(url) => url.replace(/&subject=.*/, ''), /fragment/],
}

test('a URL that is none of that form gets nothing, and the one that was given does (FED-47)', async ({
  federation,
}) => {
  const { id: userId, name } = await newUser(federation)
  const invited = await invitation(federation)
  const asked = async () =>
    (await federation.site.decisions('gateway-b')).filter(({ action }) => action.includes('enrol')).length
  const before = await asked()
  for (const [what, [change, why]] of Object.entries(urls)) {
    const { code, stderr } = await add(federation, name, { ...invited, enrollmentUrl: change(invited.enrollmentUrl) })
    expect(code, what).toBe(1)
    expect(stderr, what).toMatch(why)
    expect(stderr, what).not.toContain(invited.token)
  }
  expect(await asked(), 'requests for a certificate').toBe(before)
  expect(await statusAtB(federation, invited)).toBe('pending')
  expect(await peersOf(federation, userId)).toEqual([])

  const { code, stdout } = await add(federation, name, invited)
  expect([code, JSON.parse(stdout).state]).toEqual([0, 'active'])
  expect(await statusAtB(federation, invited)).toBe('active')
})

test('A itself refuses such a URL from whoever administers it (FED-47)', async ({ federation }) => {
  const { id: ownerUserId } = await newUser(federation)
  const invited = await invitation(federation)
  const admin = await federation.asAdmin('a')
  for (const [what, [change]] of Object.entries(urls)) {
    const reply = await admin.try('peer:keypair', {
      body: { enrollmentUrl: change(invited.enrollmentUrl), ownerUserId },
    })
    expect([reply.status, reply.error?.code, await federation.reason(reply, 'a')], what).toEqual([
      ...[400, 'invalid_request', 'enrolment_url'],
    ])
  }
  expect(await peersOf(federation, ownerUserId)).toEqual([])
  expect(
    (await admin.try('peer:keypair', { body: { enrollmentUrl: invited.enrollmentUrl, ownerUserId } })).status,
  ).toBe(201)
})

test('a server that is not the one that was meant gets no request (FED-47, TLS-11, PEER-28)', async ({
  federation,
}) => {
  const { site } = federation
  const { id: userId, name } = await newUser(federation)
  const invited = await invitation(federation)
  const authority = await site.authority('ca')
  const [node, host] = [site.node('db-a'), site.plan.nodes['db-a']!.host]
  const certified = (claim: Partial<Parameters<typeof issueLeaf>[0]> = {}) =>
    issueLeaf({ authority, subject: host, sans: [host], ...claim })
  const server = await site.listenAsIssuer({ seat: node.seat, host, certificate: await certified() })
  const there = invited.enrollmentUrl.replace(/\/\/[^/]+\//, `//${host}:${server.port}/`)
  const rogue = await rogueAuthority()
  const cases = {
    'the name as common name alone': certified({ sans: [] }),
    'another name': certified({ sans: [site.plan.nodes['gateway-b']!.host] }),
    'a name around it': certified({ sans: [`x.${host}`, `${host}.test`] }),
    'another root': certified({ authority: rogue }),
  }
  for (const [what, certificate] of Object.entries(cases)) {
    server.present(await certificate)
    const { code, stderr } = await add(federation, name, { ...invited, enrollmentUrl: there })
    expect([code, stderr.includes('nothing was sent')], `${what}: ${stderr}`).toEqual([1, true])
    expect(server.requests, what).toEqual([])
  }
  // It has the name, and sends on to somebody else: it was asked an open question, and nobody was told anything.
  server.present(await certified())
  server.script('other', { status: 307, headers: { location: invited.enrollmentUrl.replace(/#.*/, '') } })
  const { code } = await add(federation, name, { ...invited, enrollmentUrl: there })
  expect(code).toBe(1)
  expect(server.requests.length, 'the server was found').toBeGreaterThan(0)
  expect(await statusAtB(federation, invited)).toBe('pending')
  expect((await peersOf(federation, userId)).filter(({ state }) => state === 'active')).toEqual([])
})

test('an answer for something else makes no peer active (FED-47)', async ({ federation }) => {
  const { id: userId, name } = await newUser(federation)
  for (const member of ['grant', 'subject']) {
    const invited = await invitation(federation)
    const enrollmentUrl = invited.enrollmentUrl.replace(
      new RegExp(`${member}=[0-9a-f-]{36}`),
      `${member}=${crypto.randomUUID()}`,
    )
    const { code, stderr } = await add(federation, name, { ...invited, enrollmentUrl })
    expect([code, stderr.includes(invited.token)], `${member}: ${stderr}`).toEqual([1, false])
    const [peer, ...more] = await peersOf(federation, userId)
    expect([peer?.state, more]).toEqual(['pending', []])
    await (await federation.asAdmin('a')).ask('peer:remove', { parameters: { id: peer!.id } })
  }
})
