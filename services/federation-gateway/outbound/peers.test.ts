import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { Refused } from '../listeners/exchange.ts'
import { type CallablePeer, callablePeers, getOutboundPeer, moveOutboundPeer } from '../storage/outbound-peers.ts'
import { readKey } from '../storage/peer-keys.ts'
import { sql } from '../storage/statement.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeTenant, type TestTenant } from '../storage/testing/tenant.ts'
import { type Asking, certify, type EnrolledPeer, enrol, makeAsking } from '../testing/asking.ts'
import { GRANT, makeKeys, OIDS, SUBJECT, sha256, uuidExtension } from '../testing/certificates.ts'
import { ManualClock } from '../testing/clock.ts'
import { type Lending, lend, makeSite, PEER_ID, ROW_ID, type Site } from '../testing/federation.ts'
import { type LiveServer, liveServer } from '../testing/live.ts'
import { refused } from '../wire/errors.ts'
import { Lender } from './lender.ts'
import { createOutboundPeers, type OutboundPeers, type PeerProblem } from './peers.ts'

let site: Site
let database: TestDatabase
let tenant: TestTenant
let lending: Lending
let asking: Asking
let peers: OutboundPeers[]
let servers: LiveServer[]

beforeAll(async () => {
  site = await makeSite()
})
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})
beforeEach(async () => {
  lending = await lend(site)
  asking = makeAsking(database.app)
  peers = []
  servers = []
})
afterEach(async () => {
  for (const one of peers) await one.close()
  for (const one of servers) await one[Symbol.asyncDispose]()
  await lending[Symbol.asyncDispose]()
})

const NAME = 'b.example'
/** A machine may be busy with others. */
const until = (holds: () => unknown) => vi.waitFor(holds, { timeout: 20_000, interval: 20 })
const begin = async (given = asking): Promise<OutboundPeers> => {
  const begun = createOutboundPeers(given.deps)
  peers.push(begun)
  await begun.start()
  return begun
}

/** A peer whose certificate the lender knows. */
async function enrolled(changes: Partial<EnrolledPeer> = {}): Promise<string> {
  const { tenantId, alice: ownerUserId } = tenant
  const { id, x5t } = await enrol(asking, {
    ...{ tenantId, ownerUserId, commonName: NAME, federationUrl: lending.url },
    ...{ root: site.root, ca: site.intermediate },
    ...changes,
  })
  know(x5t)
  return id
}
const know = (x5t: string) => {
  lending.registered = { grantId: GRANT, x5t, status: 'active', supersededAt: null }
}
const rowOf = async (id: string): Promise<CallablePeer> => (await callablePeers(database.app, { id }))[0]!
const stateOf = async (id: string) => {
  const { state, stateReason } = (await getOutboundPeer(database.app, { tenantId: tenant.tenantId, id }))!
  return [state, stateReason]
}
const lenderOf = async (all: OutboundPeers, id: string): Promise<Lender> => {
  const lender = await all.lenderOf(await rowOf(id))
  if (!(lender instanceof Lender)) throw new Error(lender)
  return lender
}
const problemOf = async (all: OutboundPeers, id: string): Promise<PeerProblem | 'none'> => {
  const lender = await all.lenderOf(await rowOf(id))
  return lender instanceof Lender ? 'none' : lender
}
const list = async (all: OutboundPeers, id: string) => (await lenderOf(all, id)).list('tasks', { limit: 5 })
const at = '2026-01-31T09:00:00.000001Z'
const task = {
  ...{
    id: ROW_ID,
    ownerId: ROW_ID,
    teamId: null,
    title: 'a title',
    body: 'b',
    status: 'open',
    createdAt: at,
    updatedAt: at,
  },
  _source: NAME,
}
const lists = () => {
  lending.verbs.list = async () => {
    const body = { items: [task], nextCursor: null, _truncated: false, _partial: false }
    return { status: 200, body, rowsOut: 1 }
  }
}
/** The lender renews, as its CA would. */
const renews = (changes: Parameters<typeof certify>[2] = {}) => {
  const csrs: string[] = []
  lending.verbs.renew = async (_, { csrPem }) => {
    csrs.push(csrPem)
    // Good now, as handshakes see it, and not due again where the clock of the test is by then.
    const notAfter = new Date(asking.deps.clock.now() + 300_000)
    const { certificate, certPem, certChainPem } = await certify(csrPem, site.intermediate, { notAfter, ...changes })
    const x5t = sha256(certificate.raw)
    setImmediate(() => know(x5t))
    const serial = certificate.serialNumber.toLowerCase().replace(/^0+/, '')
    return { status: 200, body: { certPem, certChainPem, serial, notAfter: certificate.validToDate.toISOString() } }
  }
  return csrs
}
const keyOf = (id: string, slot: 'pending' | 'current' | 'previous' = 'current') =>
  readKey(database.app, { tenantId: tenant.tenantId, peerId: id, slot })
const events = () => asking.events.map(({ event }) => event).filter((event) => event.startsWith('peer.'))

describe('a peer', () => {
  test('that was enrolled before the start is asked over its own certificate', async () => {
    lists()
    const id = await enrolled()
    const all = await begin()
    expect(await list(all, id)).toMatchObject({ items: [{ ...task, _source: `federated:${NAME}` }], isCached: false })
    expect(all.health(id)).toMatchObject({ circuit: 'closed', certificate: { serial: (await keyOf(id))!.serial } })
  })

  test('that is enrolled later is one of them, and one that is removed is none', async () => {
    lists()
    const all = await begin()
    const id = await enrolled()
    expect(all.health(id)).toBeUndefined()
    await all.enrolled(id)
    expect(all.health(id)).toBeDefined()
    expect((await list(all, id)).items).toHaveLength(1)
    all.removed(id)
    expect(all.health(id)).toBeUndefined()
    expect(await all.renew(crypto.randomUUID())).toEqual({ failure: 'peer_ended' })
  })

  test('that another process has enrolled, renewed or removed is seen so', async () => {
    lists()
    const all = await begin()
    const id = await enrolled()
    expect((await list(all, id)).items).toHaveLength(1)
    renews()
    const other = await begin()
    expect(await other.renew(id)).toEqual({})
    expect((await list(all, id)).items).toHaveLength(1)
    expect(all.health(id)?.certificate.serial).toBe((await keyOf(id))!.serial)
    await database.app.query(sql`DELETE FROM federation_peers WHERE id = ${id}::uuid`)
    asking.deps.clock.advance(30_000)
    await until(() => expect([all.health(id), other.health(id)]).toEqual([undefined, undefined]))
  })

  test('whose key does not open is broken, and disturbs no other', async () => {
    lists()
    const [id, other] = [await enrolled(), await enrolled({ ownerUserId: tenant.bob })]
    const sealed = (await keyOf(other))!.sealedKey
    await database.app.query(
      sql`UPDATE federation_peer_credentials SET sealed_key = ${sealed} WHERE peer_id = ${id}::uuid`,
    )
    const all = await begin()
    expect(await stateOf(id)).toEqual(['broken', 'SEAL_BROKEN'])
    expect(await problemOf(all, id)).toBe('peer_broken')
    expect((await list(all, other)).items).toHaveLength(1)
    expect(events()).toEqual(['peer.broken'])
  })

  test('without a root of its own has that of our CA, or none', async () => {
    lists()
    const id = await enrolled()
    await database.app.query(sql`UPDATE federation_peers SET ca_pem = NULL`)
    const own = { ...asking, deps: { ...asking.deps, ownRootPem: String(site.root.certificate) } }
    expect((await list(await begin(own), id)).items).toHaveLength(1)
    expect(await problemOf(await begin(), id)).toBe('peer_broken')
  })

  test('whose certificate ran out has expired, at that moment', async () => {
    const id = await enrolled()
    const all = await begin()
    expect(await problemOf(all, id)).toBe('none')
    lending.verbs.renew = async () => {
      throw new Refused('renew.ca', refused('dependency_unavailable', 'renew_ca_unavailable'))
    }
    asking.deps.clock.advance(300_000)
    await until(async () => expect(await stateOf(id)).toEqual(['expired', 'certificate_ended']))
    expect(await problemOf(all, id)).toBe('peer_expired')
    expect(all.health(id)).toBeUndefined()
    expect(await all.renew(id)).toEqual({ failure: 'peer_ended' })
  })

  test('that was never enrolled is pending', async () => {
    const id = await enrolled()
    await database.app.query(sql`UPDATE federation_peers SET state = 'pending'`)
    expect(await problemOf(await begin(), id)).toBe('peer_pending')
  })
})

describe('it is revoked', () => {
  /** B's public listener, as far as its mirror goes; the CA is not reached. */
  async function mirror(serials: () => string[]): Promise<LiveServer> {
    const { server, intermediate } = site
    const times = { thisUpdate: new Date(Date.now() - 60_000), nextUpdate: new Date(Date.now() + 600_000) }
    const one = await liveServer({ cert: server.cert, key: server.key }, async (_, response) => {
      response.writeHead(200).end(await intermediate.crl({ ...times, serials: serials() }))
    })
    servers.push(one)
    return one
  }

  test('by a signed list that names its certificate, once it is turned away, and by nothing else', async () => {
    lists()
    let serials: string[] = []
    const one = await mirror(() => serials)
    const id = await enrolled({ publicUrl: one.url })
    const all = await begin()
    expect((await list(all, id)).items).toHaveLength(1)
    // The lender lets nobody in any more: that looks like bad weather.
    await lending.listener.close(0)
    const reset = await liveServer(
      { ...site.server, requestCert: true, ca: String(site.root.certificate) },
      (request) => request.socket.destroy(),
    )
    servers.push(reset)
    await database.app.query(sql`UPDATE federation_peers SET federation_url = ${reset.url}`)
    const again = await begin()
    await expect(list(again, id)).rejects.toMatchObject({ code: 'peer_unreachable' })
    expect(one.heard).toHaveLength(1)
    expect(await stateOf(id)).toEqual(['active', null])
    serials = [(await keyOf(id))!.serial!]
    await expect(list(again, id)).rejects.toMatchObject({ code: 'peer_unreachable' })
    expect(await stateOf(id)).toEqual(['revoked', 'certificate_revoked'])
    expect(await problemOf(again, id)).toBe('peer_revoked')
    // The other process finds it in the database.
    expect(await problemOf(all, id)).toBe('peer_revoked')
    expect(events()).toContain('peer.revoked')
  })

  test('not by a mirror of another root, whatever its list says', async () => {
    const id = await enrolled()
    const listsUs = async (tls: { cert: string; key: string }) => {
      const { serial } = (await keyOf(id))!
      const times = { thisUpdate: new Date(Date.now() - 60_000), nextUpdate: new Date(Date.now() + 600_000) }
      const one = await liveServer({ cert: tls.cert, key: tls.key }, async (_, response) => {
        response.writeHead(200).end(await site.intermediate.crl({ ...times, serials: [serial!] }))
      })
      servers.push(one)
      await database.app.query(sql`UPDATE federation_peers SET enrollment_url = ${`${one.url}/`}`)
    }
    const reset = await liveServer(
      { ...site.server, requestCert: true, ca: String(site.root.certificate) },
      (request) => void request.socket.destroy(),
    )
    servers.push(reset)
    await database.app.query(sql`UPDATE federation_peers SET federation_url = ${reset.url}`)
    await listsUs((await makeSite()).server)
    await expect(list(await begin(), id)).rejects.toMatchObject({ code: 'peer_unreachable', isReset: true })
    expect(await stateOf(id)).toEqual(['active', null])
    await listsUs(site.server)
    await expect(list(await begin(), id)).rejects.toMatchObject({ code: 'peer_unreachable', isReset: true })
    expect(await stateOf(id)).toEqual(['revoked', 'certificate_revoked'])
  })
})

describe('a certificate is renewed', () => {
  test('at two thirds of its life, with a key that was stored before, and the next call goes out with it', async () => {
    lists()
    const id = await enrolled()
    const all = await begin()
    const before = (await keyOf(id))!
    const csrs = renews()
    expect(Date.parse(all.health(id)!.renewal.nextAt) - Date.now()).toBeGreaterThan(195_000)
    asking.deps.clock.advance(199_000)
    expect(csrs).toEqual([])
    asking.deps.clock.advance(2_000)
    await until(() => expect(events()).toEqual(['peer.renewed']))
    const after = (await keyOf(id))!
    expect(csrs).toEqual([after.csrPem])
    expect(after.id).not.toBe(before.id)
    expect(await keyOf(id, 'previous')).toMatchObject({ id: before.id })
    expect(await keyOf(id, 'pending')).toBeUndefined()
    expect((await list(all, id)).items).toHaveLength(1)
    expect(lending.entries.at(-1)?.principal.serial).toBe(after.serial)
    asking.deps.clock.advance(30_000)
    await until(async () => expect(await keyOf(id, 'previous')).toBeUndefined())
  })

  test('on demand, once for all who ask together, and by one process at a time', async () => {
    const id = await enrolled()
    const csrs = renews()
    const { renew } = lending.verbs
    const answering = Promise.withResolvers<void>()
    let asked = 0
    lending.verbs.renew = async (...given) => {
      asked += 1
      await answering.promise
      return renew(...given)
    }
    const [one, two] = [await begin(), await begin()]
    const together = [one.renew(id), one.renew(id)]
    await until(() => expect(asked).toBe(1))
    expect(await two.renew(id)).toEqual({ failure: 'renewal_busy' })
    answering.resolve()
    expect(await Promise.all(together)).toEqual([{}, {}])
    expect([asked, csrs]).toEqual([1, [(await keyOf(id))!.csrPem]])
    // Whoever asks later has another one.
    expect(await two.renew(id)).toEqual({})
    expect([csrs.length, (await keyOf(id))!.csrPem]).toEqual([2, csrs[1]])
  })

  test('by one process, and taken up by another one whose time for it comes', async () => {
    lists()
    const id = await enrolled()
    const all = await begin()
    const csrs = renews()
    const other = await begin({ ...asking, deps: { ...asking.deps, clock: new ManualClock() } })
    expect(await other.renew(id)).toEqual({})
    const { serial } = (await keyOf(id))!
    expect(all.health(id)?.certificate.serial).not.toBe(serial)
    asking.deps.clock.advance(201_000)
    await until(() => expect(all.health(id)?.certificate.serial).toBe(serial))
    await until(() => expect(events()).toEqual(['peer.renewed', 'peer.renewed']))
    expect(csrs).toHaveLength(1)
    expect((await list(all, id)).items).toHaveLength(1)
  })

  test('by the same request again, sooner first and then later, until it succeeds: degraded, with one alert', async () => {
    lists()
    const id = await enrolled()
    const all = await begin()
    const csrs: string[] = []
    lending.verbs.renew = async (_, { csrPem }) => {
      csrs.push(csrPem)
      throw new Refused('renew.ca', refused('dependency_unavailable', 'renew_ca_unavailable'))
    }
    const { clock } = asking.deps
    clock.advance(201_000)
    for (const [failures, pauseMs] of [
      [1, 5_000],
      [2, 10_000],
      [3, 20_000],
    ] as const) {
      await until(() => expect(all.health(id)?.renewal.failures).toBe(failures))
      await until(() => expect(Date.parse(all.health(id)!.renewal.nextAt) - clock.now()).toBe(pauseMs))
      clock.advance(pauseMs - 1)
      expect(csrs).toHaveLength(failures)
      if (failures < 3) clock.advance(1)
    }
    expect(new Set(csrs).size).toBe(1)
    expect(await stateOf(id)).toEqual(['degraded', 'peer_answered_error'])
    expect(all.health(id)).toMatchObject({
      ...{ renewal: { failures: 3, lastFailure: 'peer_answered_error' } },
      alerts: [expect.stringMatching(/^renewals fail since .* \(peer_answered_error\)/)],
    })
    expect((await list(all, id)).items).toHaveLength(1)
    const good = renews()
    clock.advance(1)
    await until(async () => expect(await stateOf(id)).toEqual(['active', null]))
    expect(good).toEqual([csrs[0]])
    await until(() => expect(events()).toEqual(['peer.degraded', 'peer.renewed', 'peer.recovered']))
    expect(all.health(id)).toMatchObject({ renewal: { failures: 0, lastFailure: null }, alerts: [] })
  })

  test.each<[what: string, reason: string, changes: () => object | Promise<object>]>([
    ['for another key', 'renewed_leaf_key', async () => ({ keys: await makeKeys() })],
    ['of another grant', 'renewed_leaf_oid', () => ({ extensions: { grant: uuidExtension(OIDS.grant, PEER_ID) } })],
    ['that has ended', 'renewed_leaf_validity', () => ({ notAfter: new Date(asking.deps.clock.now() - 1_000) })],
  ])('and one %s is not taken: the old one stays', async (_, reason, changes) => {
    const id = await enrolled()
    const all = await begin()
    const before = (await keyOf(id))!
    const known = lending.registered
    renews(await changes())
    expect(await all.renew(id)).toEqual({ failure: reason })
    lending.registered = known
    expect((await keyOf(id))!.id).toBe(before.id)
    expect(await keyOf(id, 'pending')).toBeUndefined()
    renews()
    expect(await all.renew(id)).toEqual({})
  })

  test('with another request where the lender refuses the first for what it is, and not for anything else', async () => {
    const id = await enrolled()
    const all = await begin()
    const csrs: string[] = []
    const refuses = (code: 'invalid_csr' | 'conflict') => {
      lending.verbs.renew = async (_, { csrPem }) => {
        csrs.push(csrPem)
        throw new Refused('renew.csr', refused(code, 'renew_csr_rejected'))
      }
    }
    refuses('conflict')
    await all.renew(id)
    await all.renew(id)
    refuses('invalid_csr')
    await all.renew(id)
    await all.renew(id)
    expect([new Set(csrs.slice(0, 3)).size, csrs[3] === csrs[2]]).toEqual([1, false])
  })

  test('after a crash, by the request that was stored before it', async () => {
    const id = await enrolled()
    const first = await begin()
    const csrs: string[] = []
    lending.verbs.renew = async (_, { csrPem }) => {
      csrs.push(csrPem)
      return new Promise(() => {})
    }
    void first.renew(id)
    await until(() => expect(csrs).toHaveLength(1))
    await first.close()
    expect(await keyOf(id, 'pending')).toMatchObject({ csrPem: csrs[0] })
    const again = renews()
    expect(await (await begin()).renew(id)).toEqual({})
    expect(again).toEqual(csrs)
    expect(await stateOf(id)).toEqual(['active', null])
  })

  test('not for a peer that has ended meanwhile', async () => {
    const id = await enrolled()
    const all = await begin()
    const { tenantId } = tenant
    const csrs = renews()
    const { renew } = lending.verbs
    lending.verbs.renew = async (...given) => {
      await moveOutboundPeer(database.app, { tenantId, id, event: 'listed', reason: 'certificate_revoked' })
      return renew(...given)
    }
    expect(await all.renew(id)).toEqual({ failure: 'peer_ended' })
    expect(csrs).toHaveLength(1)
    expect(await stateOf(id)).toEqual(['revoked', 'certificate_revoked'])
    expect(events()).toEqual([])
  })
})

describe('each call', () => {
  test('has one record and one row, and neither holds what was asked or answered', async () => {
    lists()
    const id = await enrolled()
    const all = await begin()
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true }
    await (await lenderOf(all, id)).list('tasks', { limit: 5 }, { trace })
    const { serial } = all.health(id)!.certificate
    const ids = { grantId: GRANT, subjectUserId: SUBJECT, peerId: id }
    expect(asking.decisions).toMatchObject([
      { listener: 'outbound', action: 'federation:capabilities', verdict: 'accepted', target: NAME },
      {
        action: 'federation:list/tasks',
        verdict: 'accepted',
        reason: null,
        traceId: 'a'.repeat(32),
        principal: { serial },
      },
    ])
    expect(asking.rows).toMatchObject([
      { direction: 'outbound', verb: 'capabilities', outcome: 'allowed', rowsOut: 0, ...ids, certSerial: serial },
      {
        direction: 'outbound',
        verb: 'list',
        resource: 'tasks',
        outcome: 'allowed',
        rowsOut: 1,
        tenantId: tenant.tenantId,
      },
    ])
    expect(new Set(asking.rows.map(({ requestId }) => requestId)).size).toBe(2)
    expect(lending.decisions.at(-1)).toMatchObject({ audit: { queryHash: asking.rows[1]!.queryHash } })
    expect(JSON.stringify([asking.decisions, asking.rows, asking.events])).not.toContain(task.title)
    expect(lending.decisions.at(-1)?.traceId).toBe('a'.repeat(32))
  })

  test.each<[what: string, answer: () => void, outcome: string, status: number, guard: string, reason: string]>([
    [
      'that the peer refuses',
      () => (lending.grant = { ...lending.grant!, status: 'revoked' }),
      'denied',
      403,
      'out.status',
      'peer_refused',
    ],
    [
      'whose answer is none',
      () => (lending.verbs.get = async () => ({ status: 200, body: { item: {} } })),
      'error',
      503,
      'out.answer',
      'peer_answer_invalid',
    ],
  ])('%s, too', async (_, answer, outcome, status, guard, reason) => {
    const id = await enrolled()
    const all = await begin()
    answer()
    await expect((await lenderOf(all, id)).get('tasks', ROW_ID)).rejects.toThrow(reason)
    expect(asking.decisions).toMatchObject([{ verdict: 'refused', status, guard, reason }])
    expect(asking.rows).toMatchObject([{ outcome, status, reason, resource: 'tasks', rowsOut: 0 }])
  })

  test('that nobody waits for, or that the circuit holds back, too', async () => {
    const id = await enrolled()
    const all = await begin()
    lending.verbs.get = () => new Promise(() => {})
    const gone = new AbortController()
    const lender = await lenderOf(all, id)
    const failing = lender.get('tasks', ROW_ID, { signal: gone.signal }).catch(() => {})
    setTimeout(() => gone.abort(), 20)
    await failing
    await lending.listener.close(0)
    for (let calls = 0; calls < 6; calls += 1) await lender.get('tasks', ROW_ID).catch(() => {})
    expect(asking.rows[0]).toMatchObject({ outcome: 'aborted', status: null })
    expect(asking.rows).toHaveLength(7)
    expect(asking.decisions.at(-1)).toMatchObject({ guard: 'out.circuit', reason: 'circuit_open' })
    expect(all.health(id)?.circuit).toBe('open')
  })

  test('whose rows were cut says so', async () => {
    const id = await enrolled()
    lending.verbs.list = async () => {
      const body = { items: [task, { ...task, id: PEER_ID }], nextCursor: null, _truncated: false, _partial: false }
      return { status: 200, body, rowsOut: 2 }
    }
    await (await lenderOf(await begin(), id)).list('tasks', { limit: 1 })
    expect(asking.decisions.at(-1)).toMatchObject({
      verdict: 'accepted',
      guard: 'out.rows',
      reason: 'peer_rows_over_cap',
    })
    expect(asking.rows.at(-1)).toMatchObject({ outcome: 'allowed', rowsOut: 1, reason: 'peer_rows_over_cap' })
  })

  test('for want of a confirmation says so', async () => {
    lists()
    const id = await enrolled()
    const all = await begin()
    await list(all, id)
    expect((await list(all, id)).isCached).toBe(true)
    lending.grant = { ...lending.grant!, epoch: 8 }
    expect((await list(all, id)).isCached).toBe(false)
    expect(asking.decisions.at(-1)).toMatchObject({ guard: 'out.cache', reason: 'cache_unconfirmed' })
  })

  test('that cannot be put on record has no row', async () => {
    lists()
    const id = await enrolled()
    asking.log.isFull = true
    await list(await begin(), id)
    expect([asking.decisions, asking.rows]).toEqual([[], []])
    expect(asking.events.map(({ event }) => event)).toContain('decision-not-recorded')
  })

  test('is told to those who look at the peer', async () => {
    lists()
    const id = await enrolled()
    const all = await begin()
    await list(all, id)
    await until(async () => expect((await rowOf(id)).lastSuccessAt).not.toBeNull())
    expect((await rowOf(id)).lastFailureAt).toBeNull()
    await lending.listener.close(0)
    await expect(list(all, id)).rejects.toThrow()
    await until(async () => expect((await rowOf(id)).lastFailureReason).toBe('peer_unreachable'))
  })
})

test('no key is in memory but in connections, and none in the log', async () => {
  const id = await enrolled()
  const all = await begin()
  renews()
  await all.renew(id)
  const lender = await lenderOf(all, id)
  const shown = JSON.stringify([Object.entries(lender), all.health(id), asking.events, asking.decisions, asking.rows])
  expect(shown).not.toContain('PRIVATE KEY')
})
