import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, vi, test as vitestTest } from 'vitest'
import type { Site } from '../../backends/backend.ts'
import { processBackend } from '../../backends/process/index.ts'
import { readCreds } from '../../credentials/nats-creds/user-creds.ts'
import { nats } from '../../protocols/nats/index.ts'
import { compile } from '../../shipped.ts'
import { endpointAt } from '../../site/site-files.ts'
import { targetOf } from '../../site/targets.ts'
import { until } from '../../site/until.ts'
import { loadTopology } from '../../topology/load.ts'
import { LoadedTopology } from '../../topology/loaded-topology.ts'
import type { TopologyDeclaration } from '../../topology/schema.ts'
import { expect, matrix, scenario } from '../../vitest.ts'

// Sites of their own, one after the other.
vi.setConfig({ testTimeout: 300_000 })

const lab = new URL('testing/lab.ts', import.meta.url).pathname

await matrix(lab)

const test = scenario(lab)
const denied = { error: 'Permissions Violation', guard: 'broker.permission' } as const
const refused = { error: 'Authorization Violation', guard: 'broker.login' } as const

test('what is denied is delivered to nobody: who hears the control heard nothing else', async ({
  site,
  credential,
}) => {
  const [worker, boss] = [credential('creds'), credential('boss')]
  const { verdict, session } = await site.open('b', 'nats-1', 'nats:subscribe/work.a.status', worker)
  expect(verdict).toBeAccepted()
  const publish = (as: typeof worker, does?: object) =>
    site.call('b', 'nats-1', 'nats:publish/work.a.cmd', as, { does })

  expect(await publish(worker)).toBeAccepted()
  const tried = await publish(worker, { publish: 'work.a.status' })
  expect(tried).toBeRefused({ ...denied, reason: 'nats_publish_denied' })
  expect(tried.principal).toEqual(verdict.principal)
  // Of another account: what has the same name there is not the same.
  expect(await publish(boss)).toBeRefused({ ...denied, reason: 'nats_publish_denied' })

  const reporter = await site.open('b', 'nats-1', 'nats:connect', credential('reporter'))
  reporter.session.send({ publish: 'work.a.status', data: 'control' })
  await site.until('the control', () => session.frames.find(({ data }) => data === 'control'), { withinMs: 5_000 })
  expect(session.frames).toEqual([{ subject: 'work.a.status', data: 'control' }])
})

test('whoever may subscribe to some may not subscribe to all', async ({ site, credential }) => {
  const subscribe = (subject: string) =>
    site.call('b', 'nats-1', 'nats:connect', credential('creds'), { does: { subscribe: subject } })
  expect(await subscribe('work.a.status')).toBeAccepted()
  expect(await subscribe('work.*.status')).toBeAccepted()
  for (const subject of ['>', 'work.>', '$SYS.>']) {
    expect(await subscribe(subject)).toBeRefused({ ...denied, reason: 'nats_subscribe_denied' })
  }
})

test('what a login says beside its credentials is no way in', async ({ site, credential }) => {
  const call = (connect: (own: object) => Record<string, unknown>) =>
    site.call('b', 'nats-1', 'nats:connect', credential('creds'), { connect })
  const named = (own: object) => ({ ...own, account: 'ADMIN', new_account: true })
  const byPassword = (own: object) => ({ ...own, jwt: undefined, sig: undefined, user: 'worker', pass: 'worker' })

  expect(await call(named)).toBeRefused({ ...refused, reason: 'nats_account_named' })
  expect(await call((own) => ({ ...own, sig: undefined }))).toBeRefused({
    ...refused,
    reason: 'nats_signature_missing',
  })
  expect(await call(byPassword)).toBeRefused({ ...refused, reason: 'nats_credentials_missing' })
})

test('what the broker acknowledges is on its disk', async ({ site }) => {
  const asked = await site.node('nats-1').exec(['sh', '-c', 'cat units/nats-server/server.conf'])
  expect(asked.stdout).toMatch(/^jetstream: .*"sync_interval":"always"/m)
})

test('nothing is open beside the port for clients', async ({ site }) => {
  const [broker] = site.site.plan.nodes['nats-1']!.units.filter(({ kind }) => kind === 'nats-server')
  const { text = '' } = broker!.files[0]!
  expect(text).not.toMatch(/no_auth_user|trace|authorization|allow_non_tls|prof_port|cluster|leafnodes|websocket|mqtt/)
  expect(text).toContain('http: "@{loopback}:8222"')
  expect((await site.node('nats-1').exec(['sh', '-c', 'stat -c %a units/nats-server/server.conf'])).stdout).toBe(
    '600\n',
  )
})

/** The same lab with another setup. */
async function labWith(settings: object) {
  const { source, value, parameters, kinds, folder } = await loadTopology(lab)
  const changed = structuredClone(value) as TopologyDeclaration
  Object.assign(changed.nodes['nats-1']!.units!['nats-auth-setup']!, { settings })
  return compile(new LoadedTopology(source, changed, parameters, { kinds, folder }))
}

async function launched(settings: object): Promise<Site> {
  const evidence = await mkdtemp(join(tmpdir(), 'holdfast-broker-'))
  onTestFinished(() => rm(evidence, { recursive: true, force: true }))
  return processBackend.launch(await labWith(settings), { evidence })
}

vitestTest.each([
  [
    'a file of the setup is missing',
    { isWhole: false },
    /exited with 78;[\s\S]*broker_file_missing: .*setup\.json is missing/,
  ],
  [
    'its accounts are of another operator',
    { operator: 'strict other' },
    /exited with 1 before[\s\S]*Can't set system account/,
  ],
])('a broker does not start where %s, and says so', async (_, settings, message) => {
  await expect(launched(settings)).rejects.toThrow(message)
})

vitestTest('a broker whose operator was put in the place of its own lets nobody in', async () => {
  await using site = await launched({ operator: 'other' })
  const holder = site.node('b')
  const [certPem, keyPem, text] = await Promise.all(
    ['cert-b/cert.pem', 'cert-b/key.pem', 'creds/worker.creds'].map((file) => holder.readFile(`credentials/${file}`)),
  )
  const presented = { certificate: { certPem: certPem!, keyPem: keyPem! }, creds: await readCreds(text!) }
  const target = targetOf(site, 'nats-1', 'nats:connect')
  const { conn, answer } = await nats
    .prepare({ request: {}, presented, options: {} })
    .send(await endpointAt(site, 'b', target))
  expect(answer.error).toBe(refused.error)
  const recorded = async () => (await site.node('nats-1').decisions()).find((record) => record.conn === conn)
  const record = await until('its record', recorded, { withinMs: 5_000 })
  expect(record).toMatchObject({ verdict: 'refused', guard: refused.guard, reason: 'nats_account_invalid' })
})
