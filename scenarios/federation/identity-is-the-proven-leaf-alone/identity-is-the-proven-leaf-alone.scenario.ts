import { chainOf, expect, scenario, thumbprintS256 } from 'holdfast/vitest'
import {
  type EnrolledPeer,
  type Federation,
  federation,
  federationPath,
  pretendingToHold,
  type Reply,
} from '../federation.ts'
import { atTls, invalid, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

/** Somebody with little, and somebody else whose certificate he has seen. */
async function bothSides(federation: Federation) {
  const own = await federation.asPeer('scope-b')
  const victim = await federation.asPeer('scope-all', { subject: 'bob', allowSensitive: true })
  const mine = (await own.list('tasks')).value
  const theirs = (await victim.list('tasks')).value
  expect(mine.items.map(({ id }) => id)).not.toEqual(theirs.items.map(({ id }) => id))
  return { own, victim, mine }
}

/** His rows, and his in the records: nothing of anybody else. */
async function expectOwn(
  federation: Federation,
  reply: Reply<unknown>,
  { own, mine }: { own: EnrolledPeer; mine: unknown },
  what: string,
) {
  const { grantId, peerId, subjectUserId, commonName: cn } = own.grant
  expect({ status: reply.status, json: reply.json }, what).toEqual({ status: 200, json: mine })
  const [record, ...others] = await federation.decided(reply)
  expect(others, what).toEqual([])
  const x5t = thumbprintS256(own.identity.certPem)
  expect(record!.principal, what).toEqual({ grantId, peerId, subjectUserId, cn, x5t, serial: own.answer.serial })
  expect(await federation.audited(reply), what).toMatchObject({
    ...{ grant_id: grantId, peer_id: peerId, subject_user_id: subjectUserId },
    ...{ cert_serial: own.answer.serial, outcome: 'allowed' },
  })
}

test('in a body: refused, whatever it is called (FED-33)', async ({ federation }) => {
  const { own, victim, mine } = await bothSides(federation)
  const { grantId, subjectUserId, peerId } = victim.grant
  const state = await stateOf(federation, [own.grant.grantId, grantId])
  const row = mine.items[0]!.id
  const members: Record<string, unknown>[] = [
    { grantId },
    { grant_id: grantId },
    { subjectUserId },
    { subject: subjectUserId },
    { userId: subjectUserId },
    { peerId },
    { certificate: victim.identity.certPem },
    { tenantId: federation.seed('b').tenant('globex').id },
    { _source: 'local' },
    { filter: { ownerId: subjectUserId } },
    { filter: { or: [{ ownerId: subjectUserId }] } },
    { filter: { teamId: { $ne: null } } },
    { filter: { status: "open' OR '1'='1" } },
    { filter: [] },
    JSON.parse('{"__proto__":{"limit":1}}') as Record<string, unknown>,
  ]
  for (const member of members) {
    const what = JSON.stringify(member).slice(0, 60)
    await expectRefused(federation, await own.list('tasks', member), invalid('http.body', 'body_schema'), {
      what: `list ${what}`,
    })
    const body = `{"q":"plan",${JSON.stringify(member).slice(1)}`
    const typed = [['Content-Type', 'application/json'] as const]
    const searched = await own.call({ method: 'POST', path: `${federationPath}/search`, body, headers: typed })
    await expectRefused(federation, searched, invalid('http.body', 'body_schema'), { what: `search ${what}` })
    const got = await own.call({ method: 'POST', path: `${federationPath}/get/tasks/${row}`, json: member })
    await expectRefused(federation, got, invalid('http.body', 'body_schema'), { what: `get ${what}` })
  }
  await expectOwn(federation, await own.list('tasks', {}), { own, mine }, 'without any of it')
  expect(await stateOf(federation, [own.grant.grantId, grantId])).toEqual(state)
})

test('in a query and in headers: nothing changes (TLS-21, TLS-22, FED-37)', async ({ federation }) => {
  const { own, victim, mine } = await bothSides(federation)
  const { grantId, subjectUserId } = victim.grant
  const path = `${federationPath}/list/tasks?grantId=${grantId}&subjectUserId=${subjectUserId}&subject=${subjectUserId}`
  await expectOwn(federation, await own.call({ method: 'POST', path, json: {} }), { own, mine }, 'in a query')

  const [leaf] = chainOf(victim.identity.certPem)
  const pem = encodeURIComponent(String(leaf))
  const der = leaf!.raw.toString('base64')
  const lines: (readonly [string, string])[] = [
    ['Client-Cert', `:${der}:`],
    ['Client-Cert-Chain', `:${der}:`],
    ['X-SSL-Client-Cert', pem],
    ['X-SSL-Client-Cert', der],
    ['X_SSL_Client_Cert', pem],
    ['x-ssl-client-cert', pem],
    ['Ssl_Client_Cert', der],
    ['X-Client-Cert', der],
    ['X-Forwarded-Client-Cert', `Hash=${leaf!.fingerprint256.replaceAll(':', '').toLowerCase()};Cert="${pem}"`],
    ['X-Forwarded-Tls-Client-Cert', der],
    ['X-SSL-Client-S-DN', `CN=${victim.grant.commonName}`],
    ['X-SSL-Client-Verify', 'SUCCESS'],
    ['X-Amzn-Mtls-Clientcert', der],
    ['X-ARR-ClientCert', der],
    ['X-Grant-Id', grantId],
    ['X-User-Id', subjectUserId],
    ['X-Forwarded-For', '127.0.0.9'],
    ['Forwarded', 'for=127.0.0.9'],
    ['Authorization', `Bearer ${(await federation.asAdmin('b')).token}`],
  ]
  for (const line of lines) {
    await expectOwn(federation, await own.list('tasks', {}, { headers: [line] }), { own, mine }, `${line[0]}: …`)
  }
  const several = lines.filter(([, value]) => value.length < 500 || value === der).slice(-9)
  await expectOwn(federation, await own.list('tasks', {}, { headers: several }), { own, mine }, 'several at once')

  const anonymous = await federation.connectAnonymously()
  await expectRefused(federation, await anonymous.list('tasks', {}, { headers: several }), atTls('cert_missing'))
})

test('on the other listener no certificate counts, however it is sent', async ({ federation }) => {
  const { victim } = await bothSides(federation)
  const admin = await federation.asAdmin('b')
  const headers = [['Client-Cert', `:${chainOf(victim.identity.certPem)[0]!.raw.toString('base64')}:`] as const]
  const reply = await admin.call('POST', `${federationPath}/list/tasks`, {}, { headers })
  expect([reply.status, await federation.reason(reply)]).toEqual([404, 'route_unknown'])
})

test('beside the own certificate, in both orders (TLS-10)', async ({ federation }) => {
  const { own, victim, mine } = await bothSides(federation)
  const [leaf, ...above] = chainOf(own.identity.certPem).map(String)
  const [theirs] = chainOf(victim.identity.certPem)
  const state = await stateOf(federation, [own.grant.grantId, victim.grant.grantId])
  const key = own.identity.keyPem
  for (const chain of [
    [leaf, String(theirs), ...above],
    [leaf, ...above, String(theirs)],
  ]) {
    const behind = await federation.connect({ certificate: chain.join(''), key })
    await expectOwn(federation, await behind.list('tasks'), { own, mine }, 'behind the own one')
  }

  const pretended = pretendingToHold(theirs!.publicKey, key)
  const before = await federation.connect({ certificate: [String(theirs), leaf, ...above].join(''), key: pretended })
  await expectRefused(federation, await before.list('tasks'), atTls('tls_protocol', 'tls.protocol'), {
    what: 'before the own one',
  })
  expect(await stateOf(federation, [own.grant.grantId, victim.grant.grantId])).toEqual(state)
})
