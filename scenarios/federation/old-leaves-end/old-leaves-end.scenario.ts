import { expect, scenario } from 'holdfast/vitest'
import {
  type EnrolledPeer,
  type Federation,
  federation,
  federationPath,
  identityFrom,
  requestFor,
} from '../federation.ts'
import { atTls, forbidden, unauthorized } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const overlapSeconds = 4
const test = scenario('federation', { set: { leafSeconds: 30, overlapSeconds } }).extend('federation', federation)

async function renewed(federation: Federation, peer: EnrolledPeer) {
  const request = await requestFor(peer.grant.commonName)
  const { certPem, keyPem } = identityFrom((await peer.renew(request.csrPem)).value, request.keyPem)
  return federation.connect({ certificate: certPem, key: keyPem })
}

function listOf(resource: string) {
  const headers = [['Content-Type', 'application/json'] as const]
  return { method: 'POST', path: `${federationPath}/list/${resource}`, headers, body: '{}' }
}

/** Asks over one connection before and after the end of a certificate: that it waits for its first answer keeps it open. */
async function askAcross(federation: Federation, peer: EnrolledPeer, notAfter: number) {
  const until = (time: number) =>
    federation.site.until('the time to ask', async () => Date.now() >= time, { withinMs: 40_000, everyMs: 10 })
  const holder = await federation.database('b')
  async function* asked() {
    await until(notAfter - 1_000)
    yield listOf('notes')
    await until(notAfter + 50)
    yield listOf('notes')
  }
  await until(notAfter - 2_500)
  await holder.query('BEGIN')
  await holder.query('LOCK TABLE notes')
  try {
    return await peer.pipelined(asked())
  } finally {
    await holder.query('COMMIT')
  }
}

/** Over a connection of its own, that is kept. */
function kept(peer: Pick<EnrolledPeer, 'kept'>) {
  const connection = peer.kept()
  const ask = () => connection.send(listOf('tasks'))
  return { ask, opened: connection.opened, [Symbol.dispose]: () => connection[Symbol.dispose]() }
}

test('after the overlap with its successor, and not before that was used (FED-39)', async ({ federation }) => {
  const old = await federation.asPeer('scope-a')
  expect((await old.list('tasks')).status).toBe(200)
  const next = await renewed(federation, old)
  expect((await old.list('tasks')).status).toBe(200)

  expect((await next.list('tasks')).status).toBe(200)
  const used = performance.now()
  expect((await old.list('tasks')).status).toBe(200)
  const isOver = async () => (await old.list('tasks')).status === 403
  await federation.site.until('the certificate before it to end', isOver, { withinMs: 1_000 * overlapSeconds + 5_000 })
  const afterMs = performance.now() - used
  expect(afterMs).toBeGreaterThan(1_000 * overlapSeconds - 500)
  federation.site.measured('a superseded certificate is refused', afterMs, 1_000 * overlapSeconds + 5_000)
  await expectRefused(federation, await old.list('tasks'), forbidden('grant.certificate', 'cert_superseded'))
  expect((await next.list('tasks')).status).toBe(200)
})

test('at once by a new enrolment, over an open connection as well (FED-24)', async ({ federation }) => {
  const old = await federation.asPeer('scope-a')
  using connection = kept(old)
  expect((await connection.ask()).status).toBe(200)
  const admin = await federation.asAdmin('b')
  const { token } = await admin.invite(old.grant.grantId, { purpose: 're-enrolment' })
  const request = await requestFor(old.grant.commonName)
  const answer = (await federation.redeem({ token, request })).value

  // Until the list names it, it is the grant that refuses; then its connections are ended.
  const status = await connection.ask().then(
    (reply) => reply.status,
    () => 403,
  )
  expect(status).toBe(403)
  const reply = await old.list('tasks')
  expect(['cert_withdrawn', 'cert_revoked']).toContain(await federation.reason(reply))
  expect([403, null]).toContain(reply.status)
  const { certPem, keyPem } = identityFrom(answer, request.keyPem)
  expect((await (await federation.connect({ certificate: certPem, key: keyPem })).list('tasks')).status).toBe(200)
})

test('with its time: an open connection is closed, a busy one gets no more answers, and there is no other (TLS-02)', async ({
  federation,
}) => {
  const peer = await federation.asPeer('scope-a')
  using connection = kept(peer)
  expect((await connection.ask()).status).toBe(200)
  const notAfter = Date.parse(peer.answer.notAfter)
  expect(notAfter - Date.now()).toBeLessThanOrEqual(31_000)
  const asking = askAcross(federation, peer, notAfter)

  const ended = async () => {
    const status = await connection.ask().then(
      (reply) => reply.status,
      () => null,
    )
    // It was opened anew, which the other end refuses, or it was told so on the old one.
    return status !== 200 && { status }
  }
  const { status } = await federation.site.until('the certificate to run out', ended, { withinMs: 40_000 })
  expect([401, null]).toContain(status)
  expect(Date.now()).toBeGreaterThanOrEqual(notAfter - 1_000)
  const late = await asking
  expect([late.status, late.header('connection')]).toEqual([401, 'close'])
  expect(await federation.decided(late)).toContainEqual(
    expect.objectContaining(unauthorized('cert.live', 'cert_ended')),
  )
  await expectRefused(federation, await peer.list('tasks'), atTls('cert_expired'))
  expect((await (await federation.asPeer('scope-a')).list('tasks')).status).toBe(200)
})
