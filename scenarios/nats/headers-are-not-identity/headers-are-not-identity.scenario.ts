import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('nats-orchestrator', { set: { callout: 'true' } })
const connect = ['host-1', 'nats-1', 'nats:connect'] as const

type Header = readonly [name: string, value: string]

/** What the orchestrator knows of hosts: each by its name, and what it told last. */
async function known(site: ScenarioSite): Promise<readonly { host: string; status?: { content: unknown } }[]> {
  const { json } = await site.operator('orchestrator').get('/v1/inventory')
  return (json as { hosts: [] }).hosts
}

test.for<Header>([
  ['Nats-Request-Info', '{"acc":"ADMIN","user":"admin_user","host":"host-2"}'],
  ['Nats-Subject', 'WORKLOAD.host-2.status'],
  ['Nats-Stream', 'WORKLOAD'],
  ['Nats-Msg-Id', 'host-2'],
  ['Nats-Rollup', 'all'],
  ['Nats-Trace-Origin-Account', 'ADMIN'],
])('a host that says %s: %s tells its own status', async (header, { site, credential }) => {
  const all = ['orchestrator', 'nats-1', 'nats:subscribe/INVENTORY.>'] as const
  const { session } = await site.open(...all, credential('creds-admin'))
  const said = crypto.randomUUID()
  const tell = (publish: string) => {
    const does = { publish, data: JSON.stringify({ said }) }
    return site.call(...connect, credential('creds-host-1'), { does, headers: [header] })
  }

  expect(await tell('WORKLOAD.host-1.status')).toBeAccepted()
  expect(await tell('INVENTORY.host-1.note')).toBeAccepted()

  const isKnown = async () => JSON.stringify(await known(site)).includes(said)
  await site.until('the orchestrator knows what it told', isKnown, { withinMs: 5_000 })
  expect(await known(site)).toMatchObject([{ host: 'host-1', status: { content: { said } } }])
  const own = () => session.frames.filter(({ data }) => String(data).includes(said))
  await site.until('its inventory is heard', () => own().length > 0, { withinMs: 5_000 })
  expect(own().map(({ subject }) => subject)).toEqual(['INVENTORY.host-1.note'])
})

test('a trace goes where the host may publish, and nowhere else', async ({ site, credential }) => {
  const all = ['orchestrator', 'nats-1', 'nats:subscribe/INVENTORY.>'] as const
  const { session } = await site.open(...all, credential('creds-orchestrator'))
  const heard = (subject: string) => session.frames.some((frame) => frame.subject === subject)
  const traced = (to: string, ...more: readonly Header[]) => {
    const does = { publish: 'WORKLOAD.host-1.status' }
    return site.call(...connect, credential('creds-host-1'), { does, headers: [['Nats-Trace-Dest', to], ...more] })
  }

  for (const to of ['INVENTORY.host-2.trace', 'ADMIN.trace', '$SYS.REQ.CLAIMS.LIST']) {
    expect(await traced(to)).toBeRefused({
      ...{ error: 'Permissions Violation', guard: 'broker.permission', reason: 'nats_publish_denied' },
    })
  }
  // A trace of another account's is none of a client's: the broker sends it nowhere.
  const ofOthers = ['Nats-Trace-Origin-Account', 'ADMIN'] as const
  expect(await traced('INVENTORY.host-1.others', ofOthers)).toBeAccepted()
  expect(await traced('INVENTORY.host-1.trace')).toBeAccepted()

  await site.until('the one is heard', () => heard('INVENTORY.host-1.trace'), { withinMs: 5_000 })
  expect(heard('INVENTORY.host-2.trace')).toBe(false)
  expect(heard('INVENTORY.host-1.others')).toBe(false)
  expect(await site.decisions('nats-1', { reason: 'nats_unmapped' })).toEqual([])
})

test('a command is for the host of its subject, whatever stands in its headers', async ({ site, credential }) => {
  const id = crypto.randomUUID()
  const headers: Header[] = [
    ['Nats-Subject', 'WORKLOAD.host-2.cmd.verify'],
    ['Nats-Request-Info', '{"acc":"WORKLOAD","user":"host-2"}'],
  ]
  const does = { publish: 'WORKLOAD.host-1.cmd.verify', data: JSON.stringify({ id, verb: 'verify', args: {} }) }
  const admin = credential('creds-admin')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', admin, { does, headers })).toBeAccepted()

  const isApplied = async () => JSON.stringify(await known(site)).includes(id)
  await site.until('host-1 applied it', isApplied, { withinMs: 10_000 })
  expect((await known(site)).map(({ host }) => host)).toEqual(['host-1'])
})
