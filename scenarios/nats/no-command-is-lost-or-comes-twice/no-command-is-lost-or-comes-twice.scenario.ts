import {
  type CredentialFixture,
  expect,
  type OperatorClient,
  type ScenarioSite,
  scenario,
  userOfFile,
} from 'holdfast/vitest'
import { forged } from '../handed.ts'
import { type Manifest, manifestIn, places } from '../verification.ts'

const test = scenario('nats-orchestrator', {
  clock: 'movable',
  // The clock is moved by minutes, and this is about no certificate.
  set: { certificateLifetime: '4h' },
})
const connect = ['orchestrator', 'nats-1', 'nats:connect'] as const
const host = 'host-1'
const abreast = 4
const overlapSeconds = 60
const soon = { withinMs: 15_000 }
/** Longer than the broker remembers ids. */
const outageSeconds = 600

test('a thousand commands are applied once each, while credentials are rotated three times', async ({
  site,
  credential,
}) => {
  const applied = await hear(site, credential)
  const before = await totals(site)
  const operator = await site.keptOperator('orchestrator', abreast)
  let isOver = false
  const rotations = async () => {
    for (const _ of ['first', 'second', 'third']) await rotate(site, credential)
    isOver = true
  }
  const [given] = await Promise.all([
    giveWhile(
      operator,
      (count) => !isOver || count < 1_000,
      (count) => site.until('they are applied', () => applied().length >= count, soon),
    ),
    rotations().finally(() => {
      isOver = true
    }),
  ])

  expect(given.length).toBeGreaterThanOrEqual(1_000)
  await demandApplied(site, { applied, before, given })
})

test('what was commanded while its host was down, and the broker for a while, is applied when the host is back', async ({
  site,
  credential,
}) => {
  const [broker, node] = [site.node('nats-1'), site.node(host)]
  const before = await totals(site)
  const operator = await site.keptOperator('orchestrator', abreast)
  await node.stop('host-agent')
  const early = await giveWhile(operator, (count) => count < 50)
  await site.clock().shift(outageSeconds / 2)
  await broker.kill('nats-server')
  await broker.start('nats-server')
  const isReady = async () => (await site.operator('orchestrator').get('/readyz')).status === 200
  await site.until('the orchestrator is connected again', isReady, { withinMs: 15_000 })
  const late = await giveWhile(operator, (count) => count < 50)
  await site.clock().shift(outageSeconds / 2)
  expect(await post(operator, early[0]!.id)).toMatchObject({ status: 202, json: { duplicate: true } })

  const applied = await hear(site, credential)
  await node.start('host-agent')

  await demandApplied(site, { applied, before, given: [...early, ...late] })
})

interface Given {
  readonly id: string
  /** Where it is in the stream. */
  readonly seq: number
}

function post(operator: OperatorClient, id: string) {
  return operator.post('/v1/commands', { id, host, verb: 'verify' })
}

/**
 * Gives new commands, some at once, for as long as it is wanted: each must be taken. Answers them in the order of the stream.
 *
 * @param paced what is waited for after so many
 */
async function giveWhile(
  operator: OperatorClient,
  isWanted: (count: number) => boolean,
  paced: (count: number) => Promise<unknown> = async () => {},
): Promise<Given[]> {
  const given: Given[] = []
  let count = 0
  const give = async () => {
    while (isWanted(count)) {
      count += 1
      const id = crypto.randomUUID()
      const answer = await post(operator, id)
      expect(answer).toMatchObject({ status: 202, json: { stream: 'WORKLOAD', duplicate: false } })
      given.push({ id, seq: (answer.json as Given).seq })
      await paced(given.length)
    }
  }
  await Promise.all(Array.from({ length: abreast }, give))
  return given.sort((one, other) => one.seq - other.seq)
}

/** Rotates the users of the orchestrator; what they had before is good until the overlap is over, and no longer. */
async function rotate(site: ScenarioSite, credential: CredentialFixture): Promise<void> {
  const before = await current(site)
  const { creds: old } = await site.held('creds-orchestrator')
  const { decisions } = await site.tap('orchestrator')
  const input = JSON.stringify({ overlapSeconds })
  const rotation = site.node('nats-1').run('nats-creds-rotate', { input })
  const isNewer = async () => (await current(site)).generation > before.generation
  await site.until('the newer generation is installed', isNewer, { withinMs: 30_000 })
  const keys = (await current(site)).files.map(({ user }) => user.key)
  const hasChanged = async () => {
    const accepted = await decisions({ action: 'messaging:connect', verdict: 'accepted' })
    return keys.every((key) => accepted.some(({ principal }) => principal.user === key))
  }
  await site.until('the orchestrator has changed over', hasChanged, { withinMs: 10_000 })

  const stale = credential.anew('creds-orchestrator').with('creds', old!, 'of the generation before')
  expect(await site.call(...connect, stale)).toBeAccepted()
  await site.clock().shift(overlapSeconds)
  expect(await rotation).toMatchObject({ code: 0 })
  expect(await site.call(...connect, stale)).toBeRefused({
    error: 'Authorization Violation',
    guard: 'broker.login',
    reason: 'nats_user_revoked',
  })
  expect(await site.call(...connect, credential.anew('creds-orchestrator'))).toBeAccepted()
}

function current(site: ScenarioSite): Promise<Manifest> {
  return manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
}

/** Ids of the commands that the host says it has applied, as it does so: heard by somebody whom no rotation concerns. */
async function hear(site: ScenarioSite, credential: CredentialFixture): Promise<() => readonly string[]> {
  const creds = await userOfFile(await forged(site, {}))
  const other = credential.anew('creds-orchestrator').with('creds', creds, 'of another key')
  const { session } = await site.open(...connect, other)
  session.send({ subscribe: `WORKLOAD.${host}.status` })
  const ids: string[] = []
  return () => {
    for (const { data } of session.frames.slice(ids.length)) ids.push((JSON.parse(String(data)) as Given).id)
    return ids
  }
}

/** How many messages the stream has, and how many commands the host says that it has applied. */
async function totals(site: ScenarioSite) {
  const operator = site.operator('orchestrator')
  const { messaging } = (await operator.get('/v1/state')).json as State
  const { hosts } = (await operator.get('/v1/inventory')).json as Inventory
  const [consumer] = messaging.consumers
  return { ...messaging.stream, consumer, applied: hosts[0]?.update?.content.applied ?? 0 }
}

interface State {
  messaging: { stream: { messages: number; lastSeq: number }; consumers: { pending: number; unacknowledged: number }[] }
}

interface Inventory {
  hosts: { update?: { content: { applied: number } } }[]
}

/** In the stream once, applied once, in the order in which they were taken; and nothing else was. */
async function demandApplied(
  site: ScenarioSite,
  {
    applied,
    before,
    given,
  }: { applied: () => readonly string[]; before: { messages: number; applied: number }; given: Given[] },
): Promise<void> {
  const after = {
    messages: before.messages + given.length,
    lastSeq: given.at(-1)!.seq,
    consumer: { pending: 0, unacknowledged: 0 },
    applied: before.applied + given.length,
  }
  const isDone = async () => {
    const now = await totals(site)
    return now.applied >= after.applied && now.consumer?.unacknowledged === 0 && now
  }
  expect(await site.until('the host has applied all', isDone, { withinMs: 30_000 })).toMatchObject(after)
  expect(applied()).toEqual(given.map(({ id }) => id))
}
