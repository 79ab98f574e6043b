import { expect, putJsonFile, scenario } from 'holdfast/vitest'
import { federation, federationPath, identityFrom, places, requestFor } from '../federation.ts'
import { atTls, refusal, stateOf } from '../lending.ts'
import { expectLimited, expectRefused } from '../refusals.ts'

// The lender is told of a smaller share than it has by itself.
const test = scenario('federation', { own: true }).extend('federation', federation)

const mostConnections = 32
const mostRequests = 8
const tooMany = refusal(429, 'rate_limited')('rate.leaf', 'rate_leaf')

test('of connections: one more ends within its handshake', async ({ federation, site }) => {
  const [peer, other] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a')]
  const capabilities = { method: 'GET', path: `${federationPath}/capabilities`, headers: [] }
  const held = Array.from({ length: mostConnections }, () => site.own(peer.kept()))
  const sent = () => Promise.all(held.map((one) => one.send(capabilities)))
  expect(new Set((await sent()).map(({ status }) => status))).toEqual(new Set([200]))
  const state = await stateOf(federation, [peer.grant.grantId])

  await expectRefused(federation, await peer.list('tasks'), atTls('connection_limit', 'tls.connections'))
  expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)
  expect((await other.list('tasks')).status).toBe(200)
  expect(new Set((await sent()).map(({ status }) => status))).toEqual(new Set([200]))
  expect(new Set(held.map((one) => one.opened()))).toEqual(new Set([1]))

  held[0]![Symbol.dispose]()
  const isLetIn = async () => (await peer.list('tasks')).status === 200
  await site.until('the place that was left to be free', isLetIn, { withinMs: 5_000 })
})

test('of requests: one more is refused before the database is asked', async ({ federation, site }) => {
  await putJsonFile<{ rateLimit: object }>(site, 'gateway-b', places.configuration, (json) => {
    json.rateLimit = { ...json.rateLimit, perLeaf: mostRequests }
  })
  await site.node('gateway-b').stop('gateway')
  await site.node('gateway-b').start('gateway')
  const [peer, other] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a')]
  const { csrPem, keyPem } = await requestFor(peer.grant.commonName)
  const { certPem: certificate, keyPem: key } = identityFrom((await peer.renew(csrPem)).value, keyPem)

  // All count, whatever came of them.
  for (let at = 2; at <= mostRequests; at += 1) {
    const { status } = await (at % 2 === 0 ? peer.list('memory') : peer.list('tasks'))
    expect(status, `request ${at}`).toBe(at % 2 === 0 ? 403 : 200)
  }
  const state = await stateOf(federation, [peer.grant.grantId])
  const refused = await peer.list('tasks')
  await expectRefused(federation, refused, tooMany)
  expectLimited(refused)

  await site.node('db-b').pause()
  const asked = Promise.all([peer.capabilities(), other.capabilities()])
  const [early, waited] = await asked.finally(() => site.node('db-b').resume())
  await expectRefused(federation, early, tooMany, { what: 'without the database' })
  expect([waited.status, await federation.reason(waited)]).toEqual([503, 'database_unavailable'])
  expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)

  const renewed = await federation.connect({ certificate, key })
  for (const caller of [renewed, other]) expect((await caller.list('tasks')).status).toBe(200)
})
