import { credentialOf, expect, type ScenarioSite, scenario, userOfFile } from 'holdfast/vitest'
import { forged } from '../handed.ts'
import { type Manifest, manifestIn, places } from '../verification.ts'

const test = scenario('nats-orchestrator', { own: true })
const nowSeconds = () => Math.floor(Date.now() / 1000)
const put = { withinMs: 5_000 }

function current(site: ScenarioSite): Promise<Manifest> {
  return manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
}

async function ask(site: ScenarioSite, unit: string, input: object): Promise<void> {
  expect(await site.node('nats-1').run(unit, { input: JSON.stringify(input) })).toMatchObject({ code: 0 })
}

async function isReady(site: ScenarioSite): Promise<boolean> {
  return (await site.operator('orchestrator').get('/readyz')).status === 200
}

test('a user is put out when it expires', async ({ site, credential }) => {
  const exp = nowSeconds() + 3
  const creds = await userOfFile(await forged(site, { times: { exp } }))
  const brief = credential('creds-orchestrator').with('creds', creds, 'that end soon')
  const { session } = await site.open('orchestrator', 'nats-1', 'nats:connect', brief)

  expect(await site.ended(session, put)).toMatchObject({ reason: 'User Authentication Expired' })
  const ends = async () => site.decisions('nats-1', { action: 'nats:session', reason: 'nats_jwt_expired' })
  const [end] = await site.until('its end is on record', async () => (await ends()).length > 0 && (await ends()), put)
  expect(end).toMatchObject({ guard: 'broker.session', layer: 'session', verdict: 'refused' })
  await site.until('the second of its end is over', () => nowSeconds() > exp, put)
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', brief)).toBeRefused({
    error: 'Authorization Violation',
    guard: 'broker.login',
    reason: 'nats_jwt_expired',
  })
})

test('rotation brings other users without a gap, and ends those before', async ({ site, credential }) => {
  const before = await current(site)
  const { creds: old } = await site.held('creds-orchestrator')
  await ask(site, 'nats-creds-rotate', { overlapSeconds: 0 })

  const isNewer = async () => (await current(site)).generation > before.generation
  await site.until('the newer generation is installed', isNewer, { withinMs: 10_000 })
  await site.until('the orchestrator is ready with it', () => isReady(site), { withinMs: 10_000 })
  const { json } = await site.operator('orchestrator').get('/v1/state')
  expect(json).toMatchObject({ messaging: { work: { generation: before.generation + 1, state: 'connected' } } })
  const stale = credential('creds-orchestrator').with('creds', old!, 'of the generation before')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', stale)).toBeRefused({
    error: 'Authorization Violation',
    guard: 'broker.login',
    reason: 'nats_user_revoked',
  })
})

test('a revoked orchestrator is put out, says so, and works again with newer credentials', async ({ site }) => {
  const { generation } = await current(site)
  const tap = await site.tap('nats-1')
  await ask(site, 'nats-user-revoke', { users: ['orchestrator_user'] })

  const revoked = async () => {
    const { status, json } = await site.operator('orchestrator').get('/readyz')
    return status === 503 && (json as { reason: string }).reason === 'credentials_revoked'
  }
  await site.until('the orchestrator says that it was revoked', revoked, put)
  const ends = await tap.decisions({ action: 'nats:session', reason: 'nats_user_revoked' })
  expect(ends[0]).toMatchObject({ guard: 'broker.session', principal: { name: 'orchestrator_user' } })

  await ask(site, 'nats-creds-rotate', { overlapSeconds: 0 })
  await site.until('it is ready again', () => isReady(site), { withinMs: 20_000 })
  expect((await current(site)).generation).toBe(generation + 1)
  expect(credentialOf(site.plan, 'nats-creds', 'creds-orchestrator').users).toHaveLength(2)
})

test('whoever was revoked stays out when the broker starts anew', async ({ site, credential }) => {
  const creds = await userOfFile(await forged(site, {}))
  const other = credential('creds-orchestrator').with('creds', creds, 'of another key')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', other)).toBeAccepted()
  const { sub: key } = JSON.parse(Buffer.from(creds.jwt.split('.')[1]!, 'base64url').toString()) as { sub: string }
  await ask(site, 'nats-user-revoke', { account: 'WORKLOAD', key })
  await site.node('nats-1').stop('nats-server')
  await site.node('nats-1').start('nats-server')

  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', other)).toBeRefused({
    error: 'Authorization Violation',
    guard: 'broker.login',
    reason: 'nats_user_revoked',
  })
  await site.until('the orchestrator is connected again', () => isReady(site), { withinMs: 15_000 })
})
