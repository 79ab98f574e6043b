import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('nats-orchestrator', { set: { hosts: '2' } })
const connect = ['host-1', 'nats-1', 'nats:connect'] as const

type Header = readonly [name: string, value: string]

interface Known {
  readonly host: string
  readonly status?: { readonly content: unknown }
}

/** What the orchestrator knows of both hosts: each by its name, and what it told last. */
async function known(site: ScenarioSite): Promise<readonly [first: Known, second: Known]> {
  const { json } = await site.operator('orchestrator').get('/v1/inventory')
  return (json as { hosts: [Known, Known] }).hosts
}

/** How many commands the stream has taken. */
async function taken(site: ScenarioSite): Promise<number> {
  const { json } = await site.operator('orchestrator').get('/v1/state')
  return (json as { messaging: { stream: { lastSeq: number } } }).messaging.stream.lastSeq
}

/** Has host-2 verify something, as an operator does; answers once it is applied. */
async function isCommanded(site: ScenarioSite, id: string = crypto.randomUUID()): Promise<void> {
  const before = await taken(site)
  const answer = await site
    .operator('orchestrator')
    .post('/v1/commands', { id, host: 'host-2', verb: 'verify', args: {} })
  expect(answer).toMatchObject({ status: 202, json: { seq: before + 1, duplicate: false } })
  const isApplied = async () => (JSON.stringify((await known(site))[1].status) ?? '').includes(id)
  await site.until('host-2 applied it', isApplied, { withinMs: 10_000 })
  expect(await taken(site)).toBe(before + 1)
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
  const [, other] = await known(site)
  const tell = (publish: string) => {
    const does = { publish, data: JSON.stringify({ said }) }
    return site.call(...connect, credential('creds-host-1'), { does, headers: [header] })
  }

  expect(await tell('WORKLOAD.host-1.status')).toBeAccepted()
  expect(await tell('INVENTORY.host-1.note')).toBeAccepted()

  const isKnown = async () => (JSON.stringify((await known(site))[0].status) ?? '').includes(said)
  await site.until('the orchestrator knows what it told', isKnown, { withinMs: 5_000 })
  const [own, after] = await known(site)
  expect(own).toMatchObject({ host: 'host-1', status: { content: { said } } })
  expect(after.status).toEqual(other.status)
  const heard = () => session.frames.filter(({ data }) => String(data).includes(said))
  await site.until('its inventory is heard', () => heard().length > 0, { withinMs: 5_000 })
  expect(heard().map(({ subject }) => subject)).toEqual(['INVENTORY.host-1.note'])
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

  const isApplied = async () => (JSON.stringify((await known(site))[0].status) ?? '').includes(id)
  await site.until('host-1 applied it', isApplied, { withinMs: 10_000 })
  await isCommanded(site)
  expect(JSON.stringify((await known(site))[1])).not.toContain(id)
})

/** Of the command that comes next. */
const next = crypto.randomUUID()
test.for<Header>([
  ['Nats-Msg-Id', next],
  ['Nats-Rollup', 'all'],
])('a host takes no place among commands, by %s', async (header, { site, credential }) => {
  const headers = [header]

  for (const host of ['host-1', 'host-2']) {
    const does = { publish: `WORKLOAD.${host}.cmd.verify` }
    expect(await site.call(...connect, credential('creds-host-1'), { does, headers })).toBeRefused({
      ...{ error: 'Permissions Violation', guard: 'broker.permission', reason: 'nats_publish_denied' },
    })
  }

  await isCommanded(site, header[1] === next ? next : undefined)
})

test.for(['all', 'sub'])(
  'who may send commands takes none away: Nats-Rollup: %s',
  async (scope, { site, credential }) => {
    await isCommanded(site)
    const before = await taken(site)
    const does = { publish: 'WORKLOAD.host-2.cmd.verify', data: '{}' }
    const headers: Header[] = [['Nats-Rollup', scope]]

    const call = await site.call('orchestrator', 'nats-1', 'nats:connect', credential('creds-admin'), { does, headers })
    expect(call).toBeAccepted()

    await isCommanded(site)
    expect(await taken(site)).toBe(before + 1)
  },
)
