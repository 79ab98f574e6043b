import { expect, test } from 'vitest'
import { checkHistory } from './testing/check-history.ts'
import { LEASE_MS, World } from './testing/world.ts'

const led = (world: World) => world.until(() => world.leader() !== undefined, 'a leader')

function grantProblems(world: World): string[] {
  return checkHistory(world.history.events, { voters: world.nodes.length, nodes: [], mayOverlap: false })
}

test('a node alone leads after its first lease, and not before', async () => {
  await using world = World.start({ nodes: 1 })
  await world.run(LEASE_MS - 1)
  expect(world.cluster('n1').state()).toMatchObject({ role: 'follower', leader: null, epoch: 0, peers: [] })

  await world.run(LEASE_MS + 50)
  expect(world.cluster('n1').state()).toMatchObject({ role: 'leading', leader: 'n1', epoch: 1 })
})

test('of several nodes one leads, all name it, and it keeps leading at its epoch', async () => {
  await using world = World.start({ nodes: 5 })
  await led(world)
  const [leader, epoch] = [world.leader(), world.cluster('n1').voter.known]

  await world.run(20 * LEASE_MS)
  expect(world.leader()).toBe(leader)
  expect(world.nodes.map(({ id }) => world.cluster(id).leader())).toEqual(
    Array(5).fill({ leader, epoch, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:877\d$/) }),
  )
  expect(grantProblems(world)).toEqual([])
})

test('a killed leader is followed by another within three leases', async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    await using world = World.start({ nodes: 3, seed })
    await led(world)
    const before = world.leader()!
    world.kill(before)
    await world.until(() => world.leader() !== undefined && world.leader() !== before, `seed ${seed}`, 3 * LEASE_MS)
    expect(grantProblems(world)).toEqual([])
  }
})

test('a leader that is cut off stops within a lease, and serves no more before another leads', async () => {
  await using world = World.start({ nodes: 3 })
  await led(world)
  const old = world.leader()!
  world.isolate(old)
  await world.run(LEASE_MS)

  expect(world.cluster(old).state()).toMatchObject({ role: 'follower', leader: null })
  const refused = await asked(world, old)
  expect(refused).toMatchObject({ status: 503, body: { error: 'leader_unknown' }, headers: { 'retry-after': '1' } })
  await world.run(2 * LEASE_MS)
  world.heal()
  await led(world)
  expect(world.leader()).not.toBe(old)
  expect(grantProblems(world)).toEqual([])
})

async function asked(world: World, id: string) {
  const pending = world.post(id, '/v1/pipeline/run', { pipeline: 'pair' }, { 'idempotency-key': 'a'.repeat(16) })
  await world.run(50)
  return pending
}

test('a leader counts its lease from when it asked for it, and uses nine tenths of it', async () => {
  await using world = World.start({ nodes: 3, delayMs: [150, 150] })
  await led(world)
  const leader = world.leader()!
  await world.run(3 * LEASE_MS)
  world.isolate(leader)
  const cutAt = world.time.now
  // Answers that are on their way arrive still.
  const counted = world.leasesAsked.filter(({ node, at }) => node === leader && at + 150 < cutAt).at(-1)!.at
  const { term } = world.cluster(leader).leadership
  await world.run(counted + 0.9 * LEASE_MS - 1 - world.time.now)
  expect(term?.isInForce()).toBe(true)

  await world.run(2)
  expect(term?.isInForce()).toBe(false)
  expect(world.cluster(leader).state().role).toBe('follower')
})

test('a minority that lost its leader does not unseat it when it is back', async () => {
  await using world = World.start({ nodes: 5, seed: 3 })
  await led(world)
  const leader = world.leader()!
  const { epoch } = world.cluster(leader).state()
  const others = world.nodes.map(({ id }) => id).filter((id) => id !== leader)
  world.isolate(...others.slice(0, 2))
  await world.run(10 * LEASE_MS)
  expect(world.cluster(others[0]!).state()).toMatchObject({ leader: null, epoch })

  world.heal()
  await world.run(2 * LEASE_MS)
  expect(world.leader()).toBe(leader)
  expect(world.cluster(leader).state().epoch).toBe(epoch)
})

test('a node that can call and not be called follows as soon as it can be', async () => {
  await using world = World.start({ nodes: 3, seed: 5 })
  await led(world)
  const leader = world.leader()!
  const [deaf, other] = world.nodes.map(({ id }) => id).filter((id) => id !== leader) as [string, string]
  world.cut(leader, deaf)
  world.cut(other, deaf)
  await world.run(10 * LEASE_MS)
  expect(world.cluster(leader).state()).toMatchObject({ role: 'leading', leader })
  expect(world.cluster(deaf).state().leader).toBeNull()

  world.heal()
  await world.run(2 * LEASE_MS)
  expect(world.cluster(deaf).state()).toMatchObject({ role: 'follower', leader })
})

test('a leader that was paused for two leases finds itself fenced', async () => {
  await using world = World.start({ nodes: 3, seed: 2 })
  await led(world)
  const old = world.leader()!
  world.pause(old, 3 * LEASE_MS)
  const others = world.nodes.map(({ id }) => id).filter((id) => id !== old)
  await world.until(() => others.some((id) => world.cluster(id).leadership.serves()), 'another leader', 3 * LEASE_MS)
  await world.run(3 * LEASE_MS)

  expect(world.cluster(old).state()).toMatchObject({ role: 'follower', leader: world.leader() })
  expect(grantProblems(world)).toEqual([])
})

test('two that stand at once, two hundred times: an epoch has one majority', async () => {
  await using world = World.start({ nodes: 3, seed: 11, delayMs: [1, 200] })
  for (let round = 0; round < 200; round += 1) {
    world.cluster('n1').leadership.takeOver()
    world.cluster('n2').leadership.takeOver()
    await world.run(300)
  }
  const { events } = world.history
  expect(new Set(world.history.of('granted').map(({ epoch }) => epoch)).size).toBeGreaterThan(150)
  expect(checkHistory(events, { voters: 3, nodes: [], mayOverlap: true })).toEqual([])
})

test('a lease is handed over to who is named, and at once', async () => {
  await using world = World.start({ nodes: 3, seed: 4 })
  await led(world)
  const from = world.leader()!
  const to = world.nodes.map(({ id }) => id).find((id) => id !== from)!
  const pending = world.post(from, '/v1/leader/transfer', { to })
  await world.run(LEASE_MS / 5)

  expect(await pending).toMatchObject({ status: 202, body: { to } })
  await world.run(LEASE_MS / 5)
  expect(world.leader()).toBe(to)
  expect(checkHistory(world.history.events, { voters: 3, nodes: [], mayOverlap: true })).toEqual([])
})

test('a lease is handed over to no stranger, no reader, and nobody who is gone', async () => {
  await using world = World.start({ nodes: 4, readers: 1 })
  await led(world)
  const leader = world.leader()!
  const gone = world.nodes.map(({ id }) => id).find((id) => id !== leader && id !== 'n4')!
  const transfer = async (to: string) => {
    const pending = world.post(leader, '/v1/leader/transfer', { to })
    await world.run(100)
    return pending
  }

  expect(await transfer('n9')).toMatchObject({ status: 403, body: { error: 'not_a_voter' } })
  expect(await transfer('n4')).toMatchObject({ status: 403, body: { error: 'not_a_voter' } })
  world.kill(gone)
  expect(await transfer(gone)).toMatchObject({ status: 502, body: { error: 'peer_unreachable', to: gone } })
  expect(world.cluster(leader).leadership.serves()).toBe(true)
  expect(await transfer(leader)).toMatchObject({ status: 200, body: { to: leader } })
})

test('a node that ends lets the next one lead without the wait of a lease', async () => {
  await using world = World.start({ nodes: 3, seed: 6 })
  await led(world)
  const leader = world.leader()!
  const stopping = world.cluster(leader).stop()
  await world.run(100)
  await stopping
  const rest = world.nodes.filter(({ id }) => id !== leader)

  expect(rest.map(({ id }) => world.cluster(id).voter.record?.released)).toEqual([true, true])
})

test('what a node tells of its peers: who answers, whose clock is off, and who is gone', async () => {
  const clocks = [0, 3_600_000, 0].map((aheadMs) => ({ rate: 1, aheadMs }))
  await using world = World.start({ nodes: 3, clocks })
  await led(world)
  await world.run(2 * LEASE_MS)
  const peers = (id: string) => world.cluster(id).state().peers
  expect(peers('n1')).toMatchObject([
    { id: 'n2', reachable: true, peerAuth: 'ok', voter: true },
    { id: 'n3', reachable: true, peerAuth: 'ok' },
  ])
  expect(Math.abs(peers('n1')[0]!.clockDifferenceMs! - 3_600_000)).toBeLessThan(100)
  expect(Math.abs(peers('n1')[1]!.clockDifferenceMs!)).toBeLessThan(100)

  world.kill('n3')
  await world.run(4 * LEASE_MS)
  expect(peers('n1')[1]).toMatchObject({ id: 'n3', reachable: false, peerAuth: 'unknown' })
})

test('a node with another token is alone, the others keep their leader, and both sides show why', async () => {
  await using world = World.start({ nodes: 3, seed: 9 })
  for (const id of ['n1', 'n2']) {
    world.refuse(id, 'n3')
    world.refuse('n3', id)
  }
  await world.run(6 * LEASE_MS)
  const authOf = (id: string) =>
    world
      .cluster(id)
      .state()
      .peers.map((peer) => `${peer.id} ${peer.peerAuth}`)
  const { leader } = world.cluster('n1').state()
  expect(['n1', 'n2']).toContain(leader)
  expect(world.cluster('n3').state()).toMatchObject({ leader: null, epoch: 0 })
  expect([authOf('n1'), authOf('n2'), authOf('n3')]).toEqual([
    ...[
      ['n2 ok', 'n3 refused_us'],
      ['n1 ok', 'n3 refused_us'],
    ],
    ['n1 refused_us', 'n2 refused_us'],
  ])

  world.heal()
  await world.run(2 * LEASE_MS)
  expect(world.leader()).toBe(leader)
  expect(authOf('n3')).toEqual(['n1 ok', 'n2 ok'])
})

test('a node without a token, which lets everybody in, is told of by those that do not let it in', async () => {
  await using world = World.start({ nodes: 3, seed: 9 })
  for (const id of ['n1', 'n2']) world.refuse('n3', id)
  await world.run(8 * LEASE_MS)
  const authOf = (id: string) =>
    world
      .cluster(id)
      .state()
      .peers.map((peer) => `${peer.id} ${peer.peerAuth}`)

  expect(authOf('n3')).toEqual(['n1 refused_us', 'n2 refused_us'])
  expect([authOf('n1'), authOf('n2')]).toEqual([
    ['n2 ok', 'n3 we_refused'],
    ['n1 ok', 'n3 we_refused'],
  ])
})

test('idle traffic grows with the number of nodes, and not with its square', async () => {
  const callsOf = async (nodes: number): Promise<number> => {
    await using world = World.start({ nodes })
    await world.until(() => world.leader() !== undefined, 'a leader')
    await world.run(2 * LEASE_MS)
    const before = world.calls
    await world.run(10 * LEASE_MS)
    return world.calls - before
  }
  const [three, fifteen] = [await callsOf(3), await callsOf(15)]

  expect(three).toBeGreaterThan(100)
  expect(fifteen / three).toBeLessThan(15 / 3 + 2.5)
})

test('messages of another cluster, another list, a stranger and a reader are refused, and change nothing', async () => {
  await using world = World.start({ nodes: 3, readers: 0 })
  await world.run(10)
  const { hash } = world.cluster('n1').parts.membership
  const lease = { cluster: 'test', candidate: 'n2', epoch: 1, leaseMs: 1_000, membership: hash, takeover: false }
  const sent = async (json: object, path = '/v1/election/lease') => {
    const pending = world.post('n1', path, json)
    await world.run(20)
    return pending
  }

  expect(await sent({ ...lease, cluster: 'other' })).toMatchObject({
    status: 409,
    body: { error: 'membership_mismatch' },
  })
  expect(await sent({ ...lease, membership: 'x' })).toMatchObject({
    status: 409,
    body: { error: 'membership_mismatch' },
  })
  expect(await sent({ ...lease, candidate: 'n9' })).toMatchObject({ status: 403, body: { error: 'not_a_voter' } })
  for (const bad of [
    { ...lease, epoch: 0 },
    { ...lease, leaseMs: 10 },
    { ...lease, candidate: 7 },
    { cluster: 'test' },
  ]) {
    expect(await sent(bad)).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  }
  expect(world.cluster('n1').voter.record).toBeUndefined()
  expect(await sent(lease)).toMatchObject({ status: 200, body: { result: 'granted', voter: 'n1', epoch: 1 } })
  const release = { cluster: 'test', candidate: 'n2', epoch: 1, membership: hash }
  expect(await sent({ ...release, membership: 'x' }, '/v1/election/release')).toMatchObject({ status: 409 })
  expect(world.cluster('n1').voter.record?.released).toBe(false)
  expect(await sent(release, '/v1/election/release')).toMatchObject({ status: 200 })
  expect(world.cluster('n1').voter.record?.released).toBe(true)
})

test('a reader neither votes nor stands', async () => {
  await using world = World.start({ nodes: 2, readers: 1 })
  await led(world)
  expect(world.leader()).toBe('n1')
  world.kill('n1')
  await world.run(10 * LEASE_MS)

  expect(world.cluster('n2').state()).toMatchObject({ role: 'follower', leader: null })
  const { hash } = world.cluster('n2').parts.membership
  const lease = { cluster: 'test', candidate: 'n1', epoch: 9, leaseMs: 1_000, membership: hash, takeover: false }
  const pending = world.post('n2', '/v1/election/lease', lease)
  await world.run(20)
  expect(await pending).toMatchObject({ status: 403, body: { error: 'not_a_voter' } })
})
