import { credentialOf, expect, forgedCreds, type ScenarioSite, scenario, userOfFile } from 'holdfast/vitest'
import { keep, put } from '../files.ts'
import { nsc, push } from '../store.ts'
import { otherOperator, places } from '../verification.ts'

const test = scenario('nats-orchestrator', { own: true, waits: true })
const connect = ['host-1', 'nats-1', 'nats:connect'] as const
const error = 'Authorization Violation'
const guard = 'broker.login'
/** The library allows nothing unless it is told. */
const unlimited = { subs: -1, data: -1, payload: -1 }

test('a login that is too long, or no JSON, ends the connection', async ({ site, credential }) => {
  const right = credential('creds-host-1')
  const long = { raw: { bytes: (line: string) => [line.replace('"caller"', `"${'x'.repeat(20_000)}"`)] } }
  expect(await site.call(...connect, right, long)).toBeRefused({
    ...{ error: 'maximum control line exceeded', guard, reason: 'nats_login_too_long' },
  })
  const none = { raw: { bytes: () => ['CONNECT {x}\r\n'] } }
  expect(await site.call(...connect, right, none)).toBeRefused({ layer: 'broker', guard, reason: 'nats_protocol' })
})

test('whoever says nothing is sent away', async ({ site }) => {
  const node = site.node('host-1')
  const tap = await site.tap('nats-1')
  const broker = site.node('nats-1')
  expect(await node.exec(['node', '-e', silent, broker.address, broker.host])).toMatchObject({ code: 0 })

  const told = async () => (await tap.decisions({ guard, reason: 'nats_login_timeout' })).length > 0
  await site.until('it is on record', told, { withinMs: 5_000 })
})

test.for<[string, string, object]>([
  ['that needs no key', 'nats_bearer', { bearer_token: true }],
  ['for another sort of connection', 'nats_connection_type', { allowed_connection_types: ['WEBSOCKET'] }],
  // RFC 5737 section 3: nobody has such an address.
  ['from elsewhere', 'nats_source', { src: ['192.0.2.0/24'] }],
  ['at another hour', 'nats_time', { times: [hourFrom(Date.now() + 6 * 3_600_000)] }],
])('a user %s is not let in', async ([, reason, limits], { site, credential }) => {
  const planned = credentialOf(site.plan, 'nats-creds', 'creds-host-1')
  const claims = { ...unlimited, ...limits }
  const creds = await userOfFile(await forgedCreds(site.credentials.at, planned, { claims }))
  const other = credential('creds-host-1').with('creds', creds, 'with limits')

  expect(await site.call(...connect, other)).toBeRefused({ error, guard, reason })
})

test('a broker whose operator was put in the place of its own lets nobody in', async ({ site, credential }) => {
  const operator = `${places.state}/HOLO.jwt`
  const admin = credential('creds-admin')
  const node = site.node('nats-1')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', admin)).toBeAccepted()
  const undo = await keep(site, 'nats-1', operator)
  await put(site, 'nats-1', operator, await otherOperator(site))
  await node.stop('nats-server')
  // It runs, and takes no claims: whoever pushes them again is nobody to it either.
  await expect(node.start('nats-server')).rejects.toThrow(/nats-accounts-push: .*exited with 1/)

  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', admin)).toBeRefused({
    ...{ error, guard, reason: 'nats_account_invalid' },
  })
  await undo()
  await node.stop('nats-server')
  await node.start('nats-server')
  await site.until('the orchestrator is connected again', () => isReady(site), { withinMs: 15_000 })
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', admin)).toBeAccepted()
})

test('an account has no more connections than it may', async ({ site, credential }) => {
  const admin = credential('creds-admin')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', admin)).toBeAccepted()
  await account(site, '--conns', '1')
  const tap = await site.tap('nats-1')

  const full = async () => {
    const verdict = await site.call('orchestrator', 'nats-1', 'nats:connect', admin)
    return verdict.verdict === 'refused' && verdict
  }
  expect(await site.until('there is no room', full, { withinMs: 5_000 })).toBeRefused({
    ...{ error: 'maximum account active connections exceeded', guard, reason: 'nats_connections_exceeded' },
  })
  expect(await tap.decisions({ reason: 'nats_unmapped' })).toEqual([])
  await account(site, '--conns', '20')
})

test('an account that ends puts its users out, and lets nobody in until it is given more time', async ({
  site,
  credential,
}) => {
  const admin = credential('creds-admin')
  const tap = await site.tap('nats-1')
  // The shortest time that nsc knows.
  await account(site, '--expiry', '1m')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', admin)).toBeAccepted()

  const ended = async () =>
    (await tap.decisions({ guard: 'broker.session', reason: 'nats_account_expired' })).length > 0
  await site.until('its users are put out', ended, { withinMs: 75_000 })
  const late = await site.until(
    'its second is over',
    () => site.call('orchestrator', 'nats-1', 'nats:connect', admin),
    {
      withinMs: 5_000,
    },
  )
  expect(late).toBeRefused({ error, guard, reason: 'nats_account_expired' })
  await account(site, '--expiry', '365d')
  await site.until('the orchestrator is connected again', () => isReady(site), { withinMs: 15_000 })
})

async function isReady(site: ScenarioSite): Promise<boolean> {
  return (await site.operator('orchestrator').get('/readyz')).status === 200
}

/** Proves its certificate, and waits for what becomes of that. */
const silent = `
const [host, servername] = process.argv.slice(1)
const { readFileSync } = require('node:fs')
const { connect } = require('node:net')
const plain = connect({ host, port: 4222 })
plain.once('data', () => {
  const at = (name) => readFileSync('credentials/cert-host-1/' + name)
  const socket = require('node:tls').connect({ socket: plain, servername, rejectUnauthorized: false, cert: at('cert.pem'), key: at('key.pem') })
  socket.on('error', () => {}).on('data', () => {}).on('close', () => process.exit(0))
})`

function hourFrom(time: number) {
  const text = (at: number) => new Date(at).toISOString().slice(11, 19)
  return { start: text(time), end: text(time + 60_000) }
}

async function account(site: ScenarioSite, ...change: string[]): Promise<void> {
  await nsc(site, 'edit', 'account', '--name', 'ADMIN', ...change)
  await push(site)
}
