import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('nats-orchestrator', { own: true, set: { callout: 'false' } })
const good = { host: 'host-1', verb: 'restart', args: { service: 'web' } }
const command = (more: object = {}) => ({ id: crypto.randomUUID(), ...good, ...more })
const post = (site: ScenarioSite, json: unknown) => site.operator('orchestrator').post('/v1/commands', json)

async function messages(site: ScenarioSite): Promise<number> {
  const { json } = await site.operator('orchestrator').get('/v1/state')
  return (json as { messaging: { stream: { messages: number } } }).messaging.stream.messages
}

async function demandRefused(
  site: ScenarioSite,
  json: unknown,
  [status, guard, reason]: readonly [status: number, guard: string, reason: string],
) {
  const before = await messages(site)
  const tap = await site.tap('orchestrator')
  expect(await post(site, json)).toMatchObject({ status })
  expect(await tap.decisions({ action: 'commands:write' })).toMatchObject([{ verdict: 'refused', guard, reason }])
  expect(await messages(site)).toBe(before)
}

test('a command is in the stream, however often it is sent', async ({ site }) => {
  const one = command()
  const before = await messages(site)

  expect(await post(site, one)).toMatchObject({ status: 202, json: { stream: 'WORKLOAD', duplicate: false } })
  expect(await post(site, one)).toMatchObject({ status: 202, json: { duplicate: true } })
  expect(await messages(site)).toBe(before + 1)
})

test.for<[string, object, number, string, string]>([
  ['a host that is two tokens', { host: 'host-1.cmd' }, 400, 'command-form', 'command_invalid'],
  ['a verb that is a wildcard', { verb: '>' }, 400, 'command-form', 'command_invalid'],
  ['a member that nobody knows', { subject: 'ADMIN.x' }, 400, 'command-form', 'command_invalid'],
  ['no id', { id: undefined }, 400, 'command-form', 'command_invalid'],
  ['a body that is too large', { args: { text: 'x'.repeat(262_144) } }, 400, 'command-form', 'command_invalid'],
  ['a host that nobody declared', { host: 'host-2' }, 404, 'command-host', 'host_unknown'],
])('%s is refused', async ([, more, status, guard, reason], { site }) => {
  await demandRefused(site, command(more), [status, guard, reason])
  expect(await post(site, command())).toMatchObject({ status: 202 })
})

test('an id stands for one command', async ({ site }) => {
  const one = command()
  expect(await post(site, one)).toMatchObject({ status: 202 })

  await demandRefused(site, { ...one, verb: 'stop' }, [409, 'command-id', 'command_conflict'])
})

test('while the broker is down nothing is promised; the same command is taken once it is back', async ({ site }) => {
  const one = command()
  const before = await messages(site)
  await site.node('nats-1').stop('nats-server')
  const tap = await site.tap('orchestrator')

  expect(await post(site, one)).toMatchObject({ status: 503, json: { error: 'broker_unavailable' } })
  expect(await tap.decisions({ action: 'commands:write' })).toMatchObject([
    { verdict: 'refused', guard: 'command-broker', reason: 'broker_unavailable' },
  ])
  expect(await site.operator('orchestrator').get('/readyz')).toMatchObject({ status: 503 })

  await site.node('nats-1').start('nats-server')
  const isTaken = async () => (await post(site, one)).status === 202
  await site.until('the command is taken', isTaken, { withinMs: 15_000 })
  expect(await messages(site)).toBe(before + 1)
})
