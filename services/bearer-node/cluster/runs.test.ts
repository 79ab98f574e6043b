import { expect, test } from 'vitest'
import { checkHistory } from './testing/check-history.ts'
import { bodyOf, headersFor, LEASE_MS, World } from './testing/world.ts'

const KEY = 'a-key-of-16-chars'

async function ledWorld(options: Partial<ConstructorParameters<typeof World>[0]> = {}) {
  const world = World.start({ nodes: 3, ...options })
  await world.until(() => world.leader() !== undefined, 'a leader')
  const leader = world.leader()!
  const followers = world.nodes.map(({ id }) => id).filter((id) => id !== leader)
  return { world, leader, followers }
}

type Posted = Awaited<ReturnType<World['post']>>

async function done(world: World, pending: Promise<Posted>, withinMs = 20_000): Promise<Posted> {
  let answer: { of: Posted } | undefined
  void pending.then((of) => {
    answer = { of }
  })
  await world.until(() => answer !== undefined, 'an answer', withinMs)
  return answer!.of
}

function run(world: World, node: string, key = KEY, params: object = {}): Promise<Posted> {
  return done(world, world.post(node, '/v1/pipeline/run', { pipeline: 'pair', params }, headersFor(key)))
}

async function get(world: World, node: string, path: string) {
  const pending = world.ask(node, { method: 'GET', path })
  await world.run(50)
  const answer = await pending
  return answer && { status: answer.status, body: bodyOf(answer) }
}

const endedEverywhere = (world: World, id: string, state = 'succeeded') =>
  world.until(
    () => world.nodes.every(({ alive }) => alive === undefined || isSettled(alive.store.run(id), state)),
    `${id} to have ${state} everywhere`,
  )

function isSettled(record: { settled: boolean; state: string } | undefined, state: string): boolean {
  return record?.settled === true && record.state === state
}

test('a run is acknowledged once a majority has it, and goes to its end', async () => {
  const { world, leader } = await ledWorld()
  await using _ = world
  const answer = await run(world, leader)
  const { runId } = answer!.body as { runId: string }

  expect(answer).toMatchObject({
    ...{ status: 202, headers: { location: `/v1/pipeline/runs/${runId}` } },
    body: { state: 'queued', leader, epoch: world.cluster(leader).voter.known },
  })
  const copies = world.nodes.filter(({ alive }) => alive!.store.run(runId) !== undefined)
  expect(copies.length).toBeGreaterThanOrEqual(2)
  await endedEverywhere(world, runId)
  for (const { id } of world.nodes) {
    expect(await get(world, id, `/v1/pipeline/runs/${runId}`)).toMatchObject({
      status: 200,
      body: {
        runId,
        state: 'succeeded',
        stages: [
          { name: 'one', attempt: 1 },
          { name: 'two', state: 'succeeded' },
        ],
      },
    })
    expect(await get(world, id, `/v1/pipeline/runs/${runId}/output`)).toMatchObject({
      body: { params: {}, outputs: { one: { run: runId, stage: 'one' }, two: { run: runId, stage: 'two' } } },
    })
  }
})

test('without a majority a run is refused, and told apart by its key afterwards', async () => {
  const { world, leader, followers } = await ledWorld({ nodes: 5 })
  await using _ = world
  for (const id of followers) world.cut(leader, id)
  const refused = await run(world, leader)
  expect(refused).toMatchObject({ status: 503, body: { error: 'no_quorum' }, headers: { 'retry-after': '1' } })

  world.heal()
  await world.until(() => world.leader() !== undefined, 'a leader')
  const again = await run(world, world.leader()!)
  expect([200, 202]).toContain(again!.status)
  await endedEverywhere(world, again!.body.runId as string)
  const lists = await Promise.all(world.nodes.map(async ({ alive }) => [...alive!.store.heads().keys()]))
  expect(lists).toEqual(Array(5).fill([again!.body.runId]))
})

test.each([1, 2])('with %i of 3 disks a record is on a majority, or is not', async (disks) => {
  const { world, leader, followers } = await ledWorld()
  await using _ = world
  const [one, other] = followers as [string, string]
  world.node(one).isReadOnly = true
  if (disks === 1) world.node(other).isReadOnly = true

  const expected = disks === 1 ? { status: 503, body: { error: 'no_quorum' } } : { status: 202 }
  expect(await run(world, leader)).toMatchObject(expected)
})

test('a leader whose own disk takes nothing acknowledges nothing, and says why', async () => {
  const { world, leader } = await ledWorld()
  await using _ = world
  world.node(leader).isReadOnly = true

  expect(await run(world, leader)).toMatchObject({ status: 503, body: { error: 'no_quorum' } })
  const { health } = world.node(leader).alive!
  await world.run(LEASE_MS)
  expect(health.reasons()).toEqual(['storage_unavailable'])
  world.node(leader).isReadOnly = false
  await world.run(LEASE_MS / 2)
  expect(health.reasons()).toEqual([])
  expect(await run(world, leader)).toMatchObject({ status: 202 })
})

test('one key is one run: at the leader, at followers, at once, and after another leader', async () => {
  const { world, leader, followers } = await ledWorld()
  await using _ = world
  const [first, second] = await Promise.all(
    followers
      .map((id) => world.post(id, '/v1/pipeline/run', { pipeline: 'pair' }, headersFor(KEY)))
      .map((one) => done(world, one)),
  )
  expect([first!.status, second!.status].sort()).toEqual([200, 202])
  expect(first!.body.runId).toBe(second!.body.runId)
  expect(first!.headers['holdfast-proxied-to']).toBe(leader)
  const { runId } = first!.body
  await endedEverywhere(world, runId as string)

  world.kill(leader)
  await world.until(() => world.leader() !== undefined, 'another leader')
  const again = await done(
    world,
    world.post(world.leader()!, '/v1/pipeline/run', { pipeline: 'pair' }, headersFor(KEY)),
  )
  expect(again).toMatchObject({ status: 200, body: { runId, state: 'succeeded' } })
})

test('the same key with another body is a conflict; a day later it is a new run', async () => {
  const { world, leader } = await ledWorld({ nodes: 1 })
  await using _ = world
  const first = await run(world, leader, KEY, { a: 1 })
  expect(first).toMatchObject({ status: 202 })
  expect(await run(world, leader, KEY, { a: 2 })).toMatchObject({
    status: 409,
    body: { error: 'idempotency_conflict' },
  })
  expect(await run(world, leader, KEY, { a: 1 })).toMatchObject({ status: 200, body: { runId: first!.body.runId } })

  world.node(leader).clock.aheadMs += 24 * 3_600_000
  const next = await run(world, leader, KEY, { a: 2 })
  expect(next).toMatchObject({ status: 202 })
  expect(next!.body.runId).not.toBe(first!.body.runId)
})

test.each([undefined, 'short', 'x'.repeat(65), 'sixteen chars ok!'])('key %s is none', async (key) => {
  const { world, leader } = await ledWorld({ nodes: 1 })
  await using _ = world
  const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key }
  const answer = await done(world, world.post(leader, '/v1/pipeline/run', { pipeline: 'pair' }, headers))

  expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  expect(await run(world, leader)).toMatchObject({ status: 202 })
})

test('an unknown pipeline is 404', async () => {
  const { world, leader } = await ledWorld({ nodes: 1 })
  await using _ = world
  const answer = await done(world, world.post(leader, '/v1/pipeline/run', { pipeline: 'none' }, headersFor(KEY)))
  expect(answer).toMatchObject({ status: 404, body: { error: 'pipeline_unknown' } })
})

test('a follower that knows of no leader, or got what was handed on before, says so', async () => {
  const { world, followers } = await ledWorld()
  await using _ = world
  const [follower] = followers as [string]
  const headers = { ...headersFor(KEY), 'holdfast-proxied-by': 'n9' }
  const looped = await done(world, world.post(follower, '/v1/pipeline/run', { pipeline: 'pair' }, headers))
  expect(looped).toMatchObject({ status: 503, body: { error: 'leader_unknown' }, headers: { 'retry-after': '1' } })
  expect(await run(world, follower)).toMatchObject({ status: 202 })

  world.isolate(follower)
  await world.run(2 * LEASE_MS)
  const lonely = await done(world, world.post(follower, '/v1/pipeline/run', { pipeline: 'pair' }, headersFor(KEY)))
  expect(lonely).toMatchObject({ status: 503, body: { error: 'leader_unknown' } })
})

test('a leader that is gone is 502, and one that says nothing 504', async () => {
  const { world, leader, followers } = await ledWorld()
  await using _ = world
  const [follower, other] = followers as [string, string]
  const url = world.cluster(other).parts.membership.others.find(({ id }) => id === leader)!.url
  world.cut(leader, follower)
  const slow = world.post(follower, '/v1/pipeline/run', { pipeline: 'pair' }, headersFor(KEY))
  expect(await done(world, slow, 11_000)).toMatchObject({ status: 504, body: { error: 'leader_timeout', leader } })

  world.heal()
  await world.until(() => world.leader() !== undefined, 'a leader')
  const now = world.leader()!
  const asking = world.nodes.map(({ id }) => id).find((id) => id !== now)!
  world.kill(now)
  const gone = world.post(asking, '/v1/pipeline/run', { pipeline: 'pair' }, headersFor(KEY))
  const attempted = world.cluster(asking).parts.membership.others.find(({ id }) => id === now)!.url
  expect(await done(world, gone, 1_000)).toMatchObject({
    ...{ status: 502, body: { error: 'leader_unreachable', leader: now, attempted } },
  })
  expect(url).toMatch(/^http/)
})

test('a leader that does not let this node in is as good as unreachable: the caller was let in here', async () => {
  const { world, leader, followers } = await ledWorld()
  await using _ = world
  const [follower] = followers as [string]
  world.refuse(follower, leader)
  const answer = await run(world, follower)

  expect(answer).toMatchObject({ status: 502, body: { error: 'leader_unreachable', leader } })
  world.heal()
  expect(await run(world, follower)).toMatchObject({ status: 202 })
})

test('what a leader says that is none any more has no effect', async () => {
  const { world, leader, followers } = await ledWorld()
  await using _ = world
  const { body } = (await run(world, leader))!
  const record = world.node(leader).alive!.store.run(body.runId as string)!
  const { hash } = world.cluster(leader).parts.membership
  const [follower] = followers as [string]
  const { known } = world.cluster(follower).voter
  const sender = { cluster: 'test', membership: hash }
  const written = { ...record, id: '0000-late', key: 'another-key-of-16', version: 1, epoch: known - 1 || 1 }
  world.cluster(follower).voter.learn(known + 1)
  const send = async (method: 'PUT' | 'POST', path: string, json: object) => {
    const pending = world.ask(follower, { method, path, body: Buffer.from(JSON.stringify(json)) })
    await world.run(20)
    const answer = await pending
    return answer && { status: answer.status, body: bodyOf(answer) }
  }
  const stale = { status: 409, body: { error: 'stale_epoch', epoch: known + 1 } }
  const work = { run: record.id, stage: 'two', attempt: 3, pipeline: 'pair', params: {}, inputs: {} }
  const beat = { node: leader, role: 'leading', at: 0 }
  const begun = world.begun.length
  const put = (epoch: number) => {
    return send('PUT', '/v1/replica/runs/0000-late', { ...sender, epoch, record: { ...written, epoch } })
  }

  expect(await put(known)).toEqual(stale)
  expect(await send('POST', '/v1/work/stages', { ...sender, epoch: known, ...work })).toEqual(stale)
  expect(await send('POST', '/v1/peer/heartbeat', { ...sender, epoch: known, ...beat })).toEqual(stale)
  const store = world.node(follower).alive!.store
  expect(store.run('0000-late')).toBeUndefined()
  expect(store.attempt(record.id, 'two', 3)).toBeUndefined()
  expect(world.begun.slice(begun).filter((text) => text.endsWith(` two ${follower}`))).toEqual([])

  expect(await put(known + 1)).toMatchObject({ status: 200 })
  expect(store.run('0000-late')).toMatchObject({ epoch: known + 1 })
  expect(await send('POST', '/v1/work/stages', { ...sender, epoch: known + 1, ...work })).toMatchObject({ status: 202 })
})

test('a stage goes to the node with the fewest, and is run once', async () => {
  const { world, leader } = await ledWorld({ stageMs: [3_000, 3_000] })
  await using _ = world
  const ids: string[] = []
  for (let at = 0; at < 6; at += 1) {
    ids.push((await run(world, leader, `key-number-${at}-of-six`))!.body.runId as string)
  }
  await world.run(500)
  const nodes = world.begun.map((text) => text.split(' ')[2])
  const counts = world.nodes.map(({ id }) => nodes.filter((node) => node === id).length)
  expect(counts).toEqual([2, 2, 2])

  for (const id of ids) await endedEverywhere(world, id)
  expect(world.begun).toHaveLength(12)
})

test('a stage whose node is lost runs elsewhere as another attempt, and counts once', async () => {
  const { world, leader, followers } = await ledWorld({ stageMs: [4_000, 4_000] })
  await using _ = world
  // The leader has one already: so the next goes to a follower.
  const { body } = (await run(world, leader))!
  const second = (await run(world, leader, 'second-key-of-16-c'))!.body.runId as string
  await world.run(500)
  const node = world.node(leader).alive!.store.run(second)!.stages[0]!.node!
  expect(followers).toContain(node)
  world.kill(node)
  await endedEverywhere(world, second)

  const { stages } = world.node(leader).alive!.store.run(second)!
  expect(stages[0]).toMatchObject({ attempt: 2, state: 'succeeded', lostAt: [node] })
  expect(stages[0]!.node).not.toBe(node)
  await endedEverywhere(world, body.runId as string)
})

test('a node whose disk takes nothing begins nothing; one that is asked twice begins once', async () => {
  const { world, leader, followers } = await ledWorld({ stageMs: [200, 200] })
  await using _ = world
  for (const id of followers) world.node(id).isReadOnly = true
  const hash = world.cluster(leader).parts.membership.hash
  const { known: epoch } = world.cluster(leader).voter
  const work = { run: 'r', stage: 'one', attempt: 1, pipeline: 'pair', params: {}, inputs: {} }
  const give = async () => {
    const pending = world.post(followers[0]!, '/v1/work/stages', { cluster: 'test', membership: hash, epoch, ...work })
    await world.run(50)
    return pending
  }
  expect(await give()).toMatchObject({ status: 503, body: { error: 'storage_unavailable' } })
  expect(world.begun).toEqual([])

  world.node(followers[0]!).isReadOnly = false
  expect(await give()).toMatchObject({ status: 202, body: { state: 'running' } })
  expect(await give()).toMatchObject({ status: 200, body: { state: 'running' } })
  expect(world.begun).toEqual([`r one ${followers[0]}`])
})

test('a stage is tried three times, and fails then', async () => {
  const { world, leader } = await ledWorld({ nodes: 1, stageMs: [50_000, 50_000] })
  await using _ = world
  const { runId } = (await run(world, leader))!.body
  for (let times = 0; times < 3; times += 1) {
    const before = world.begun.length
    await world.until(() => world.begun.length > before || times === 0, 'another attempt')
    await world.run(500)
    world.kill('n1')
    await world.run(100)
    world.up('n1')
  }
  await endedEverywhere(world, runId as string, 'failed')

  expect(world.begun).toHaveLength(3)
  expect(world.node('n1').alive!.store.run(runId as string)).toMatchObject({
    ...{
      reason: 'attempts_exhausted',
      stages: [
        { state: 'failed', attempt: 3 },
        { state: 'cancelled', attempt: 0 },
      ],
    },
  })
})

test('cancelling ends a run for good, wherever its stage is; one that has ended stays as it was', async () => {
  const { world, leader, followers } = await ledWorld({ stageMs: [5_000, 5_000] })
  await using _ = world
  const { runId } = (await run(world, leader))!.body as { runId: string }
  await world.run(500)
  const cancel = (node: string) => done(world, world.post(node, `/v1/pipeline/runs/${runId}/cancel`, {}))

  expect(await cancel(followers[0]!)).toMatchObject({ status: 200, body: { runId, state: 'cancelled' } })
  await world.run(500)
  expect(world.nodes.flatMap(({ id }) => world.cluster(id).work.running())).toEqual([])
  await endedEverywhere(world, runId, 'cancelled')
  expect(await cancel(leader)).toMatchObject({ status: 200, body: { state: 'cancelled' } })
  const unknown = await done(world, world.post(leader, '/v1/pipeline/runs/none/cancel', {}))
  expect(unknown).toMatchObject({ status: 404, body: { error: 'run_unknown' } })
})

test('a stage that counts no more is ended when its node is heard of again', async () => {
  const { world, leader } = await ledWorld({ stageMs: [30_000, 30_000] })
  await using _ = world
  await run(world, leader)
  const { runId } = (await run(world, leader, 'second-key-of-16-c'))!.body as { runId: string }
  await world.run(500)
  const node = world.node(leader).alive!.store.run(runId)!.stages[0]!.node!
  expect(node).not.toBe(leader)
  world.isolate(node)
  await world.run(3 * LEASE_MS)
  expect(world.cluster(node).work.running()).toHaveLength(1)

  world.heal()
  await world.run(2 * LEASE_MS)
  expect(world.cluster(node).work.running()).toEqual([])
})

test.each([
  ['before the majority has it', 'diesAtWrite', 1],
  ['once the majority has it, before it is answered', 'diesAtWrite', 1_000],
] as const)('a leader that is killed %s leaves no run or one run', async (what, at, nth) => {
  const { world, leader } = await ledWorld({ seed: 21 })
  await using _ = world
  world.node(leader)[at] = nth
  if (nth === 1_000) world.cut(leader, 'client')
  const pending = world.post(leader, '/v1/pipeline/run', { pipeline: 'pair' }, headersFor(KEY))
  if (nth === 1_000) {
    const others = world.nodes.filter(({ id }) => id !== leader)
    await world.until(() => others.some(({ alive }) => alive!.store.heads().size > 0), 'a copy')
    world.kill(leader)
  }
  expect(await done(world, pending)).toBeUndefined()
  expect(world.node(leader).alive).toBeUndefined()
  await world.until(() => world.leader() !== undefined, 'another leader')
  const again = await done(
    world,
    world.post(world.leader()!, '/v1/pipeline/run', { pipeline: 'pair' }, headersFor(KEY)),
  )
  expect(again?.status).toBe(what.startsWith('before') ? 202 : 200)
  world.history.record(0, { type: 'acknowledged', key: KEY, run: again!.body.runId as string, by: '' })
  world.up(leader)
  await endedEverywhere(world, again!.body.runId as string)
  await world.run(3 * LEASE_MS)
  world.recordFinal()
  const nodes = world.nodes.map(({ id }) => id)
  expect(checkHistory(world.history.events, { voters: 3, nodes, mayOverlap: false })).toEqual([])
})

test('a new leader that has heard nothing of an acknowledged run gathers it from who has', async () => {
  const { world, leader, followers } = await ledWorld({ stageMs: [5_000, 5_000], seed: 14 })
  await using _ = world
  const [one, other] = followers as [string, string]
  world.cut(leader, other)
  const { runId } = (await run(world, leader))!.body as { runId: string }
  world.kill(leader)
  const { store } = world.node(other).alive!
  expect(store.heads().size).toBe(0)
  expect(world.node(one).alive!.store.run(runId)).toBeDefined()

  world.heal()
  world.cluster(other).leadership.takeOver()
  await world.until(() => world.leader() !== undefined, 'a leader', LEASE_MS)
  expect(world.leader()).toBe(other)
  expect(store.run(runId)).toMatchObject({ epoch: world.cluster(other).voter.known })
  world.up(leader)
  await endedEverywhere(world, runId)
})

test('a leader that is killed while a stage runs, or with its result: the run goes on', async () => {
  for (const waitMs of [300, 1_050]) {
    const { world, leader } = await ledWorld({ stageMs: [1_000, 1_000], seed: waitMs })
    await using _ = world
    const { runId } = (await run(world, leader))!.body as { runId: string }
    await world.run(waitMs)
    world.kill(leader)
    await world.until(() => world.leader() !== undefined, 'another leader')
    await endedEverywhere(world, runId)
    const { stages } = world.node(world.leader()!).alive!.store.run(runId)!
    expect(stages.every(({ state }) => state === 'succeeded')).toBe(true)
  }
})

test('nobody is told of an end before it is on a majority', async () => {
  const { world, leader, followers } = await ledWorld({ stageMs: [200, 200], delayMs: [10, 10] })
  await using _ = world
  const { runId } = (await run(world, leader))!.body as { runId: string }
  const { store } = world.node(leader).alive!
  while (store.run(runId)?.stages[1]?.state !== 'succeeded') await world.run(1)
  // That the stage has ended is on its way; that the run has, never is.
  for (const id of followers) world.cut(leader, id)
  await world.run(100)

  expect(store.run(runId)).toMatchObject({ state: 'succeeded', settled: false })
  expect(await get(world, leader, `/v1/pipeline/runs/${runId}`)).toMatchObject({ body: { state: 'running' } })
  expect(world.history.of('ended')).toEqual([])
  world.heal()
  await endedEverywhere(world, runId)
  expect(new Set(world.history.of('ended').map(({ state }) => state))).toEqual(new Set(['succeeded']))
})

test('runs are listed newest first, page by page, without what they were given and what they put out', async () => {
  const { world, leader } = await ledWorld({ nodes: 1 })
  await using _ = world
  const ids: string[] = []
  for (let at = 0; at < 5; at += 1) {
    ids.unshift(
      (await run(world, leader, `key-number-${at}-of-five`, { secret: 'told to nobody' }))!.body.runId as string,
    )
  }
  const first = await get(world, leader, '/v1/pipeline/runs?limit=3')
  expect(first).toMatchObject({ status: 200, body: { cursor: ids[2] } })
  const second = await get(world, leader, `/v1/pipeline/runs?limit=3&cursor=${ids[2]}`)
  const listed = [first, second].flatMap((page) => (page!.body.runs as { runId: string }[]).map(({ runId }) => runId))
  expect(listed).toEqual(ids)
  expect(second!.body.cursor).toBeNull()
  expect(JSON.stringify([first, second])).not.toMatch(/told to nobody|key-number/)
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=%20']) {
    expect(await get(world, leader, `/v1/pipeline/runs?${query}`)).toMatchObject({ status: 400 })
  }
  expect(await get(world, leader, '/v1/pipeline/runs/none')).toMatchObject({
    status: 404,
    body: { error: 'run_unknown' },
  })
})

test('a partition leaves one history', async () => {
  const { world, leader } = await ledWorld({ nodes: 5, seed: 8 })
  await using _ = world
  const { runId } = (await run(world, leader))!.body as { runId: string }
  const other = world.nodes.map(({ id }) => id).find((id) => id !== leader)!
  world.isolate(leader, other)
  const alone = await run(world, leader, 'asked-in-a-minority')
  expect(alone).toMatchObject({ status: 503 })
  const rest = world.nodes.map(({ id }) => id).filter((id) => id !== leader && id !== other)
  await world.until(() => rest.some((id) => world.cluster(id).leadership.serves()), 'a leader of the majority')
  const now = rest.find((id) => world.cluster(id).leadership.serves())!
  const kept = (await run(world, now, 'asked-in-a-minority'))!
  expect(kept.status).toBe(202)
  world.heal()

  await world.until(() => world.leader() !== undefined, 'one leader')
  for (const id of [runId, kept.body.runId as string]) await endedEverywhere(world, id)
  await world.run(3 * LEASE_MS)
  const lists = world.nodes.map(({ alive }) => [...alive!.store.heads().keys()].sort())
  expect(lists).toEqual(Array(5).fill([runId, kept.body.runId as string].sort()))
})

test('metrics tell how things are, and nothing of what runs are given', async () => {
  const { world, leader } = await ledWorld()
  await using _ = world
  const { runId } = (await run(world, leader, KEY, { secret: 'told to nobody' }))!.body as { runId: string }
  await endedEverywhere(world, runId)
  const pending = world.ask(leader, { method: 'GET', path: '/v1/metrics' })
  await world.run(50)
  const answer = (await pending)!
  const text = answer.body.toString('utf8')

  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(text).toContain('\nbearer_leading 1\n')
  expect(text).toContain('\nbearer_runs{state="succeeded"} 1\n')
  expect(text).toContain('\nbearer_runs_acknowledged_total 1\n')
  expect(text.match(/^bearer_peer_reachable\{peer="n\d"\} 1$/gm)).toHaveLength(2)
  expect(text).not.toMatch(/told to nobody|a-key-of/)
})
