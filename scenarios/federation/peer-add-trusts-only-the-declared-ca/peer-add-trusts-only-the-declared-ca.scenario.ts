import { expect, issueLeaf, putFile, rogueAuthority, scenario } from 'holdfast/vitest'
import { certified, commandLine, invitation, newUser } from '../asking.ts'
import { type Certifier, type Federation, federation, type OddToken, requestFor } from '../federation.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

type Invitation = Awaited<ReturnType<typeof invitation>>

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

/** A server with a name that the CA has certified, on a node that A can reach, and the invitation as if it led there. */
async function somebodyElse({ site }: Federation, { enrollmentUrl }: Invitation) {
  const [authority, node] = [await site.authority('ca'), site.node('db-a')]
  const certified = (claim: Partial<Parameters<typeof issueLeaf>[0]> = {}) =>
    issueLeaf({ authority, subject: node.host, sans: [node.host], ...claim })
  const server = await site.listenAsIssuer({ seat: node.seat, host: node.host, certificate: await certified() })
  return {
    server,
    host: node.host,
    certified,
    url: enrollmentUrl.replace(/\/\/[^/]+\//, `//${node.host}:${server.port}/`),
  }
}

test('a server that is not the one that was meant gets no request (FED-47, TLS-11, PEER-28)', async ({
  federation,
}) => {
  const { site } = federation
  const { id: userId, name } = await newUser(federation)
  const invited = await invitation(federation)
  const { server, host, certified, url: enrollmentUrl } = await somebodyElse(federation, invited)
  const cases = {
    'the name as common name alone': certified({ sans: [] }),
    'another name': certified({ sans: [site.plan.nodes['gateway-b']!.host] }),
    'a name around it': certified({ sans: [`x.${host}`, `${host}.test`] }),
    'another root': certified({ authority: await rogueAuthority() }),
  }
  for (const [what, certificate] of Object.entries(cases)) {
    server.present(await certificate)
    const { code, stderr } = await add(federation, name, { ...invited, enrollmentUrl })
    expect([code, stderr.includes('nothing was sent')], `${what}: ${stderr}`).toEqual([1, true])
    expect(server.requests, what).toEqual([])
  }
  expect(await statusAtB(federation, invited)).toBe('pending')
  expect(await peersOf(federation, userId)).toEqual([])

  // With the name it is asked.
  server.present(await certified())
  await add(federation, name, { ...invited, enrollmentUrl })
  expect(server.requests.map(({ method }) => method)).toEqual(['GET', 'POST'])
})

test('a server that sends on to somebody else gets no request, and nobody else hears of it (FED-47)', async ({
  federation,
}) => {
  const { id: userId, name } = await newUser(federation)
  const invited = await invitation(federation)
  const [{ server, url }, elsewhere] = [
    await somebodyElse(federation, invited),
    await somebodyElse(federation, invited),
  ]
  const asked = async () => {
    server.requests.length = 0
    const { code, stderr } = await add(federation, name, { ...invited, enrollmentUrl: url })
    expect([code, stderr.includes(invited.token)], stderr).toEqual([1, false])
    expect(stderr).toMatch(/answer_redirect: .* none is followed/)
    expect(elsewhere.server.connections).toBe(0)
    return server.requests.map(({ method, path, body }) => ({ method, path, body }))
  }
  const redirect = (status: number) => ({ status, headers: { location: elsewhere.url.replace(/#.*/, '') } })
  for (const status of [302, 307]) {
    server.script('other', redirect(status))
    // An open question, and no more: no key was made for it.
    expect(await asked(), `${status}`).toEqual([{ method: 'GET', path: '/healthz', body: '' }])
    expect(await peersOf(federation, userId)).toEqual([])
  }

  // Nor is one followed that comes for the request alone.
  server.script('other', ({ method }) => (method === 'GET' ? { body: { status: 'ok' } } : redirect(307)))
  expect((await asked()).map(({ method }) => method)).toEqual(['GET', 'POST'])
  expect((await peersOf(federation, userId)).map(({ state }) => state)).toEqual(['pending'])
  expect(await statusAtB(federation, invited)).toBe('pending')
  // It could have been asked.
  const { name: another } = await newUser(federation)
  await add(federation, another, { ...invited, enrollmentUrl: elsewhere.url })
  expect(elsewhere.server.connections).toBeGreaterThan(0)
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

type TokenFor = Parameters<Certifier['token']>[0]
/** The CA that was declared signs for A what was meant, but for what is said. */
type Sign = (but: Partial<TokenFor>, odd?: OddToken) => Promise<object>

/** Certificate and answer agree with each other, and not with the invitation. */
const throughout = (member: 'grantId' | 'subjectUserId') => async (sign: Sign) => {
  const other = { [member]: crypto.randomUUID() }
  return { ...(await sign(other)), ...other }
}

/** What is wrong with an answer: its certificate, or what is said beside it. */
const answers: Record<string, readonly [reason: string, of: (sign: Sign, name: string) => object | Promise<object>]> = {
  'another key': ['peer_cert_key', async (sign, name) => sign({ request: await requestFor(name) })],
  'another name': ['peer_cert_name', (sign) => sign({}, { claims: { sub: 'other.test' } })],
  'another grant': ['peer_cert_oid', (sign) => sign({ grantId: crypto.randomUUID() })],
  'another user': ['peer_cert_oid', (sign) => sign({ subjectUserId: crypto.randomUUID() })],
  'another grant through and through': ['peer_cert_oid', throughout('grantId')],
  'another user through and through': ['peer_cert_oid', throughout('subjectUserId')],
}

test('A itself takes no such answer from whoever administers it, and the right one once (FED-47)', async ({
  federation,
}) => {
  const { id: ownerUserId } = await newUser(federation)
  const { enrollmentUrl, token, grantId, subjectUserId } = await invitation(federation)
  const [admin, certifier] = [await federation.asAdmin('a'), federation.certifier()]
  const { peerId: id, csrPem } = await admin.ask('peer:keypair', { body: { enrollmentUrl, ownerUserId } })
  const right = await certified(federation, { token, csrPem })
  const take = (body: typeof right, peerId = id) => admin.try('peer:cert', { parameters: { id: peerId }, body })
  const commonName = federation.site.node('gateway-a').host
  const sign: Sign = async (but, odd) => {
    const asked = { commonName, request: { csrPem }, grantId, subjectUserId, ...but }
    const { value } = await certifier.sign(asked.request.csrPem, await certifier.token(asked, odd))
    const { crt: certPem, ca: certChainPem } = value as { crt: string; ca: string }
    return { certPem, certChainPem }
  }

  const refused = (status: number, error: string, reason: string) => ({ status, error, guard: 'adm.peer-cert', reason })
  const pending = await storedAtA(federation, id)
  for (const [what, [reason, of]] of Object.entries(answers)) {
    const reply = await take({ ...right, ...(await of(sign, commonName)) })
    await expectRefused(federation, reply, refused(422, 'invalid_certificate', reason), { at: 'a' })
    expect(await storedAtA(federation, id), what).toEqual(pending)
  }
  const elsewhere = await take({ ...right, federationUrl: 'https://other.test:8444' })
  const reason = { status: 400, error: 'invalid_request', guard: 'adm.url', reason: 'enrolment_url' }
  await expectRefused(federation, elsewhere, reason, { at: 'a' })
  expect(await storedAtA(federation, id)).toEqual(pending)

  expect((await take(right)).value).toMatchObject({ state: 'active', remoteGrantId: grantId })
  const active = await storedAtA(federation, id)
  const late = refused(409, 'conflict', 'peer_state')
  const { id: calling } = await admin.ask('peer:register', { body: { commonName: federation.newName() } })
  for (const peerId of [id, calling]) {
    await expectRefused(federation, await take(right, peerId), late, { at: 'a' })
  }
  expect(await storedAtA(federation, id)).toEqual(active)
})

/** All that A has stored of a peer: the same text before and after what must change nothing. */
async function storedAtA(federation: Federation, peerId: string) {
  const text = `SELECT jsonb_build_array(to_jsonb(p), (SELECT jsonb_agg(to_jsonb(k) ORDER BY id)
    FROM federation_peer_credentials k WHERE peer_id = p.id))::text AS row FROM federation_peers p WHERE id = $1`
  return (await federation.database('a')).query(text, [peerId])
}
