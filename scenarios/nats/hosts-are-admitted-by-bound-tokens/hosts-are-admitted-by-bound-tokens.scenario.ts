import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('nats-orchestrator', { own: true })
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

test.for([
  ['tell the status of another', { publish: 'WORKLOAD.host-2.status' }],
  ['tell the inventory of another', { publish: 'INVENTORY.host-2.note' }],
  ['command itself', { publish: 'WORKLOAD.host-1.cmd.x' }],
  ['fetch the commands of another', { publish: '$JS.API.CONSUMER.MSG.NEXT.WORKLOAD.host-2' }],
  ['acknowledge for another', { publish: '$JS.ACK.WORKLOAD.host-2.1.1.1.1.0' }],
  ['hear another', { subscribe: 'WORKLOAD.host-2.status' }],
  ['hear the inboxes of another', { subscribe: '_INBOX.host-2.>' }],
  ['hear all', { subscribe: '>' }],
] as const)('a host that is in cannot %s', async ([, does], { site, credential }) => {
  const reason = 'publish' in does ? 'nats_publish_denied' : 'nats_subscribe_denied'
  const refused = { error: 'Permissions Violation', guard: 'broker.permission', reason }

  expect(await site.call(...connect, credential('creds-host-1'), { does })).toBeRefused(refused)
})

test('what a host says as another reaches nobody, and what it says as itself does', async ({ site, credential }) => {
  const all = ['orchestrator', 'nats-1', 'nats:subscribe/INVENTORY.>'] as const
  const { session } = await site.open(...all, credential('creds-orchestrator'))
  const says = (subject: string) => site.call(...connect, credential('creds-host-1'), { does: { publish: subject } })
  const heard = () => session.frames.map(({ subject }) => subject)

  const reason = 'nats_publish_denied'
  expect(await says('INVENTORY.host-2.note')).toBeRefused({ error: 'Permissions Violation', reason })
  expect(await says('INVENTORY.host-1.note')).toBeAccepted()

  await site.until('the latter is heard', () => heard().includes('INVENTORY.host-1.note'), { withinMs: 5_000 })
  expect(heard()).not.toContain('INVENTORY.host-2.note')
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

/** The status that the host told last. */
async function told(site: ScenarioSite): Promise<string | undefined> {
  const { json } = await site.operator('orchestrator').get('/v1/inventory')
  const [host] = (json as { hosts: { status?: object }[] }).hosts
  return host?.status && JSON.stringify(host.status)
}
