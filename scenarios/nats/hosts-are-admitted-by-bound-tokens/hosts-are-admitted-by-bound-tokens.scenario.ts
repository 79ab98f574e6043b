import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('nats-orchestrator', { own: true, set: { callout: 'true' } })
const violation = 'Authorization Violation'
const connect = ['host-1', 'nats-1', 'nats:connect'] as const

test('a host is in by sentinel credentials and its bound token', async ({ site, credential }) => {
  expect(await site.call(...connect, credential('creds-host-1'))).toBeAccepted()
})

test('the sentinel alone opens nothing', async ({ site, credential }) => {
  const alone = credential('creds-host-1').withoutToken()
  const refused = { error: violation, guard: 'callout.carrier', reason: 'token_missing' }

  expect(await site.call(...connect, alone)).toBeRefused(refused)
})

test('a token over another certificate is refused', async ({ site, credential }) => {
  const stolen = credential('creds-host-1').over(credential('cert-orchestrator'))
  const refused = { error: violation, guard: 'token.binding', reason: 'cnf_x5t_mismatch' }

  expect(await site.call(...connect, stolen)).toBeRefused(refused)
})

test('a command for a host is applied there once, and its status comes back', async ({ site }) => {
  const operator = site.operator('orchestrator')
  const command = { id: crypto.randomUUID(), host: 'host-1', verb: 'verify', args: {} }
  expect(await operator.post('/v1/commands', command)).toMatchObject({ status: 202 })
  expect(await operator.post('/v1/commands', command)).toMatchObject({ status: 202, json: { duplicate: true } })

  await site.until('the host tells its status', async () => (await told(site))?.includes(command.id), {
    withinMs: 10_000,
  })
  const { json } = await operator.get('/v1/state')
  const idle = { messaging: { consumers: [{ host: 'host-1', pending: 0, unacknowledged: 0 }] } }
  expect(json).toMatchObject(idle)
})

test('what was commanded while a host was down is applied when it is back', async ({ site }) => {
  const operator = site.operator('orchestrator')
  await site.node('host-1').stop('host-agent')
  const commands = Array.from({ length: 20 }, () => ({ id: crypto.randomUUID(), host: 'host-1', verb: 'verify' }))
  for (const command of commands) expect(await operator.post('/v1/commands', command)).toMatchObject({ status: 202 })

  await site.node('host-1').start('host-agent')
  const last = commands.at(-1)!.id
  await site.until('the last one is told', async () => (await told(site))?.includes(last), { withinMs: 10_000 })
})

/** The status that the host told last. */
async function told(site: ScenarioSite): Promise<string | undefined> {
  const { json } = await site.operator('orchestrator').get('/v1/inventory')
  const [host] = (json as { hosts: { status?: object }[] }).hosts
  return host?.status && JSON.stringify(host.status)
}
