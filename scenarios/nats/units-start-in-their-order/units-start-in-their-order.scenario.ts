import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

type Unit = `${string}/${string}`

/** What each unit comes after: the order between hosts is that of what is handed over. */
const order: Readonly<Record<Unit, readonly Unit[]>> = {
  'ca/ca': [],
  'nats-1/cert-nats-1': ['ca/ca'],
  'nats-1/nats-auth-setup': [],
  'nats-1/shared-creds-copy': ['nats-1/nats-auth-setup'],
  'nats-1/nats-server': ['nats-1/shared-creds-copy', 'nats-1/cert-nats-1'],
  'nats-1/nats-accounts-push': ['nats-1/nats-server'],
  'nats-1/auth-callout': ['nats-1/nats-accounts-push'],
  'orchestrator/cert-orchestrator': ['ca/ca'],
  'orchestrator/creds-intake': ['nats-1/shared-creds-copy'],
  'orchestrator/orchestrator': ['orchestrator/creds-intake', 'orchestrator/cert-orchestrator'],
  'auth/cert-auth': ['ca/ca'],
  'auth/auth': ['auth/cert-auth'],
  'host-1/cert-host-1': ['ca/ca'],
  'host-1/sentinel-intake': ['nats-1/shared-creds-copy'],
  'host-1/host-agent': ['host-1/sentinel-intake', 'host-1/cert-host-1', 'auth/auth'],
}
/** What is started without these waits for them, and is ready no sooner. */
const awaited: Readonly<Record<Unit, readonly Unit[]>> = {
  'orchestrator/orchestrator': ['nats-1/nats-accounts-push'],
  'host-1/host-agent': ['nats-1/auth-callout', 'orchestrator/orchestrator'],
}
const units = Object.keys(order) as Unit[]

/** Units that are held back, in the order in which they are released, and what is tried while the one is the next. */
type Held = Readonly<Record<Unit, Early | undefined>>
/** What is to hold when all is ready may be its answer. */
type Early = (site: ScenarioSite) => Promise<(() => void) | undefined>

// What comes next after a unit that is held back is free to start, in one of the two.
const some: Held = {
  'ca/ca': undefined,
  'nats-1/nats-auth-setup': brokerBeforeSetup,
  'orchestrator/cert-orchestrator': undefined,
  'host-1/cert-host-1': undefined,
  'auth/auth': undefined,
  'orchestrator/creds-intake': undefined,
  'host-1/sentinel-intake': undefined,
  'nats-1/nats-server': orchestratorBeforeBroker,
  'nats-1/auth-callout': undefined,
}
const others: Held = {
  'auth/cert-auth': undefined,
  'nats-1/cert-nats-1': undefined,
  'nats-1/shared-creds-copy': orchestratorBeforeCredentials,
  'orchestrator/orchestrator': undefined,
  'nats-1/nats-accounts-push': orchestratorBeforePush,
  'host-1/host-agent': undefined,
}

for (const held of [some, others]) {
  const hold = Object.keys(held) as Unit[]
  const test = scenario('nats-orchestrator', { hold })

  test(`nothing runs before its turn while ${hold.length} units are late, one after the other`, async ({ site }) => {
    const inTheEnd: ((() => void) | undefined)[] = []
    for (const [at, unit] of hold.entries()) {
      const late = hold.slice(at)
      await ready(site, late)
      expect(units.filter((one) => startsOf(site, one) > 0 && isAfter(one, [unit], order))).toEqual([])
      inTheEnd.push(await held[unit]?.(site))
      const [node, name] = split(unit)
      await site.node(node).release(name)
    }
    await ready(site, [])

    for (const unit of units) {
      for (const before of order[unit]!)
        expect(timesOf(site, unit).started).toBeGreaterThanOrEqual(timesOf(site, before).ready)
    }
    for (const holds of inTheEnd) holds?.()
    const command = { id: crypto.randomUUID(), host: 'host-1', verb: 'verify' }
    expect(await site.operator('orchestrator').post('/v1/commands', command)).toMatchObject({ status: 202 })
  })
}

/** All is ready that these, which are late, do not keep from it. */
async function ready(site: ScenarioSite, late: readonly Unit[]): Promise<void> {
  const free = units.filter((unit) => !late.includes(unit) && !isAfter(unit, late, order, awaited))
  const missing = () => free.filter((unit) => eventsOf(site, unit, 'unit-ready').length === 0)
  await site.until(`${free.join(', ')} are ready`, () => missing().length === 0, { withinMs: 30_000 })
}

/** Whether it comes after one of these, by so many others between them as there may be. */
function isAfter(unit: Unit, late: readonly Unit[], ...orders: Readonly<Record<Unit, readonly Unit[]>>[]): boolean {
  return orders
    .flatMap((one) => one[unit] ?? [])
    .some((before) => late.includes(before) || isAfter(before, late, ...orders))
}

function split(unit: Unit): [node: string, name: string] {
  return unit.split('/') as [string, string]
}

function eventsOf(site: ScenarioSite, unit: Unit, event: 'unit-started' | 'unit-ready') {
  const [node, name] = split(unit)
  return site.site.events().filter((one) => one.event === event && one.node === node && one.unit === name)
}

function startsOf(site: ScenarioSite, unit: Unit): number {
  return eventsOf(site, unit, 'unit-started').length
}

/** Of the start that it became ready by, in ms since 1970. */
function timesOf(site: ScenarioSite, unit: Unit): { started: number; ready: number } {
  const at = (event: 'unit-started' | 'unit-ready') => Date.parse(eventsOf(site, unit, event).at(-1)?.at ?? '')
  return { started: at('unit-started'), ready: at('unit-ready') }
}

async function brokerBeforeSetup(site: ScenarioSite): Promise<undefined> {
  const { logs } = await site.tap('nats-1')
  await expect(site.node('nats-1').start('nats-server')).rejects.toThrow('exited with 78')
  expect(logs().join('\n')).toMatch(/broker_file_missing: .*HOLO\.jwt is missing.*setup\.json is missing/)
  expect(startsOf(site, 'nats-1/nats-server')).toBe(0)
}

async function orchestratorBeforeCredentials(site: ScenarioSite): Promise<undefined> {
  const refused = { layer: 'start-up', verdict: 'refused', guard: 'creds.folder', reason: 'folder_owner_invalid' }
  const { decisions } = await site.tap('orchestrator')
  await expect(site.node('orchestrator').start('orchestrator')).rejects.toThrow('exited with 78')
  expect(await decisions({ unit: 'orchestrator' })).toMatchObject([refused])
}

function orchestratorBeforeBroker(site: ScenarioSite): Promise<() => void> {
  return demandWaiting(site, 'broker_unreachable')
}

async function orchestratorBeforePush(site: ScenarioSite): Promise<() => void> {
  const holds = await demandWaiting(site, 'login_refused')
  const refused = { action: 'nats:login', verdict: 'refused', reason: 'nats_account_unknown' } as const
  const records = async () => (await site.decisions('nats-1', refused)).length > 0
  await site.until('the broker has refused it', records, { withinMs: 5_000 })
  const own = (await site.decisions('nats-1', { verdict: 'accepted' })).filter(({ conn }) =>
    conn.startsWith(`${site.node('orchestrator').address}:`),
  )
  expect(own).toEqual([])
  return holds
}

/** It says that it is not ready, and gets so by itself, without being started anew. */
async function demandWaiting(site: ScenarioSite, reason: string): Promise<() => void> {
  const isWaiting = async () => {
    const { status, json } = await site.operator('orchestrator').get('/readyz')
    return status === 503 && (json as { reason: string }).reason === reason
  }
  // Nobody waits until it is ready, which it is not: its program may just be starting.
  await site.until(`the orchestrator waits, for ${reason}`, isWaiting, { withinMs: 30_000 })
  const starts = startsOf(site, 'orchestrator/orchestrator')
  return () => expect(startsOf(site, 'orchestrator/orchestrator')).toBe(starts)
}
