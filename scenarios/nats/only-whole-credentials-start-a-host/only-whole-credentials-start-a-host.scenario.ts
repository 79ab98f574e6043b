import {
  credentialOf,
  expect,
  forgedCreds,
  inspectCreds,
  rogueAuthority,
  type ScenarioSite,
  scenario,
} from 'holdfast/vitest'
import { keep, put, putJson, run } from '../files.ts'
import { changeRole, setupKeys } from '../store.ts'
import { folderOf, type Manifest } from '../verification.ts'

// One site for all of them: on a ground on which it takes minutes, its certificates are to outlive it.
const test = scenario('nats-orchestrator', { own: true, set: { certificateLifetime: '1h' } })
const folder = 'units/sentinel-intake/nats-creds'
const [current, creds, configuration] = [
  `${folder}/current.json`,
  `${folder}/auth_guard.creds`,
  'units/host-agent/config.json',
]
const on = (site: ScenarioSite, ...argv: string[]) => run(site, 'host-1', ...argv)
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

type Change = (site: ScenarioSite) => Promise<unknown>

const changes: readonly [string, string, string, Change][] = [
  ['a group may write the folder', 'creds.folder', 'folder_mode_invalid', (site) => inMode(site, '770')],
  ['the folder is not there', 'creds.folder', 'folder_owner_invalid', (site) => elsewhere(site)],
  ['nothing says what is installed', 'creds.manifest', 'manifest_missing', (site) => on(site, 'rm', current)],
  ['what says it is no JSON', 'creds.manifest', 'manifest_invalid', (site) => put(site, 'host-1', current, '{')],
  ['another file lies there', 'creds.set', 'file_unexpected', (site) => beside(site, 'notes.txt')],
  ['keys lie there', 'creds.set', 'signing_key_found', (site) => beside(site, 'nkeys')],
  ['the file has a second name', 'creds.file', 'file_link_count', (site) => linked(site)],
  ['all may read the file', 'creds.file', 'file_mode_invalid', (site) => on(site, 'chmod', '644', creds)],
  ['the file is empty', 'creds.file', 'file_empty', (site) => on(site, 'truncate', '--size', '0', creds)],
  ['the file is cut off', 'creds.file', 'digest_mismatch', (site) => on(site, 'truncate', '--size', '500', creds)],
  ['the file holds no credentials', 'creds.form', 'creds_malformed', (site) => installed(site, 'nothing')],
  [
    'they are of a user of another name',
    'creds.claims',
    'creds_user_mismatch',
    async (site) =>
      installed(site, await site.node('nats-1').readFile('units/nats-auth-setup/state/shared-creds/admin_user.creds')),
  ],
  [
    'they are of another account',
    'creds.claims',
    'creds_account_mismatch',
    (site) => inCurrent(site, ({ files }) => Object.assign(files[0]!.user, { account: `A${'B'.repeat(55)}` })),
  ],
  [
    'another key than that of their account signed them',
    'creds.claims',
    'creds_unscoped',
    async (site) => forged(site, { signer: (await setupKeys(site)).hostRole }),
  ],
  ['they need no key', 'creds.claims', 'creds_bearer', (site) => forged(site, { claims: { bearer_token: true } })],
  ['they have expired', 'creds.time', 'creds_expired', (site) => forged(site, { times: { exp: inSeconds(-61) } })],
  [
    'they have not begun',
    'creds.time',
    'creds_not_yet_valid',
    (site) => forged(site, { times: { nbf: inSeconds(300) } }),
  ],
]

test.for(changes)('where %s, it does not start', async ([, guard, reason, change], { site }) => {
  const node = site.node('host-1')
  const undo = await keep(site, 'host-1', configuration, current, creds)
  const tap = await site.tap('host-1')
  await node.stop('host-agent')
  const more = await change(site)

  await expect(node.start('host-agent')).rejects.toThrow(/not ready/)

  const refusals = await tap.decisions({ unit: 'host-agent', verdict: 'refused' })
  expect(refusals).toMatchObject([{ layer: 'start-up', guard, reason }])
  expect(tap.logs().join('\n')).toContain(`host-agent: ${reason}: `)
  if (typeof more === 'function') await more()
  await undo()
  await node.start('host-agent')
})

test('a host that is in takes a newer set, and then none that is older or of another operator', async ({ site }) => {
  const undo = await keep(site, 'host-1', current)
  const tap = await site.tap('host-1')
  const told = (more: object) => async () => (await tap.decisions({ unit: 'host-agent', ...more })).length > 0
  const put = { withinMs: 10_000 }

  await inCurrent(site, (set) => Object.assign(set, { generation: set.generation + 1 }))
  await site.until('it logs in with the newer one', told({ verdict: 'accepted' }), put)
  await inCurrent(site, (set) => Object.assign(set, { generation: set.generation - 1 }))
  await site.until('it refuses the older one', told({ guard: 'creds.manifest', reason: 'generation_old' }), put)
  await inCurrent(site, (set) => Object.assign(set, { generation: set.generation + 1, operator: `O${'A'.repeat(55)}` }))
  await site.until('it refuses the other', told({ guard: 'creds.claims', reason: 'operator_changed' }), put)

  expect(tap.logs().join('\n')).not.toContain('broker-connection-ended')
  await undo()
  await site.node('host-1').stop('host-agent')
  await site.node('host-1').start('host-agent')
})

const brokers: readonly [string, string, OtherBroker][] = [
  [
    'has no TLS',
    'endpoint_plaintext',
    (site, node, path) => configured(site, node, path, ({ server }) => ({ server: server.replace('tls:', 'nats:') })),
  ],
  [
    'is of another CA',
    'server_untrusted',
    async (site, node, path) => {
      await put(site, node, 'kept/other-ca.pem', (await rogueAuthority()).anchorPem)
      await configured(site, node, path, ({ tls }) => ({
        tls: { ...tls, ca: `${site.node(node).dir}/kept/other-ca.pem` },
      }))
    },
  ],
  [
    'has another name',
    'server_name_mismatch',
    async (site, node, path) => {
      const { host } = site.node('ca')
      await site.site.lead?.(host, site.node('nats-1').address)
      await configured(site, node, path, () => ({ server: `tls://${host}:4222` }))
    },
  ],
]

const programs = [
  ['host-1', 'host-agent'],
  ['nats-1', 'auth-callout'],
] as const

test.for(programs.flatMap((program) => brokers.map((broker) => [...program, ...broker] as const)))(
  '%s: %s logs in at no broker that %s',
  async ([name, unit, , reason, change], { site }) => {
    const node = site.node(name)
    const path = `units/${unit}/config.json`
    const undo = await keep(site, name, path)
    const tap = await site.tap(name)
    await node.stop(unit)
    await change(site, name, path)
    const starting = node.start(unit).catch((failure: Error) => failure)
    const refused = async () => (await tap.decisions({ unit, guard: 'broker.target', reason })).length > 0
    await site.until(`it refuses for ${reason}`, refused, { withinMs: 10_000 })
    await node.stop(unit)
    expect(await starting).toBeInstanceOf(Error)
    await site.site.lead?.(site.node('ca').host)
    await undo()
    await node.start(unit)
  },
)

test('a host whose role holds more than it must, or who may not even ask who it is, applies nothing, and goes on when that is put right', async ({
  site,
}) => {
  const node = site.node('host-1')
  const { hostRole } = await setupKeys(site)
  const tap = await site.tap('host-1')
  const connects = () => tap.decisions({ unit: 'host-agent', action: 'host:connect' })
  const change = async (...how: string[]) => {
    await changeRole(site, hostRole, ...how)
    // A newer set is tried at once.
    await on(site, 'touch', current)
  }
  const demandRefused = async (reason: string) => {
    const told = async () => (await connects()).find((record) => record.reason === reason)
    const refusal = await site.until(`it refuses for ${reason}`, told, { withinMs: 10_000 })
    expect(refusal).toMatchObject({ verdict: 'refused', layer: 'broker', guard: 'broker.self' })
  }
  await node.stop('host-agent')
  await change('--allow-pub', 'WORKLOAD.>')
  const starting = node.start('host-agent').catch((failure: Error) => failure)
  await demandRefused('permissions_unexpected')
  await change('--rm', 'WORKLOAD.>', '--rm', askSelf)
  await demandRefused('account_unexpected')
  await change('--allow-pub', askSelf)

  expect(await starting).toBeUndefined()
  expect((await connects()).at(-1)).toMatchObject({ verdict: 'accepted' })
})

/** Where a user asks the broker who it is. */
const askSelf = '$SYS.REQ.USER.INFO'

async function inMode(site: ScenarioSite, mode: string) {
  await on(site, 'chmod', mode, folder)
  return () => on(site, 'chmod', '700', folder)
}

async function elsewhere(site: ScenarioSite) {
  await on(site, 'mv', folder, `${folder}-elsewhere`)
  return () => on(site, 'mv', `${folder}-elsewhere`, folder)
}

async function beside(site: ScenarioSite, name: string) {
  await on(site, 'mkdir', `${folder}/${name}`)
  return () => on(site, 'rmdir', `${folder}/${name}`)
}

async function linked(site: ScenarioSite) {
  await on(site, 'ln', creds, 'kept/second')
  return () => on(site, 'rm', 'kept/second')
}

function inCurrent(site: ScenarioSite, change: (json: Manifest) => unknown): Promise<void> {
  return putJson<Manifest>(site, 'host-1', current, change)
}

/** Another text in the file, and what is installed says that this is the one. */
async function installed(site: ScenarioSite, text: string): Promise<void> {
  await put(site, 'host-1', creds, text)
  const [{ sha256, size } = { sha256: '', size: 0 }] = (await folderOf(site, 'host-1', folder, ['auth_guard.creds']))
    .files
  const key = await inspectCreds(text).then(
    ({ subject }) => subject,
    () => undefined,
  )
  await inCurrent(site, ({ files: [own] }) => {
    Object.assign(own!, { sha256, size })
    if (key !== undefined) Object.assign(own!.user, { key })
  })
}

async function forged(site: ScenarioSite, how: Parameters<typeof forgedCreds>[2]): Promise<void> {
  const planned = credentialOf(site.plan, 'nats-creds', 'creds-host-1')
  await installed(site, await forgedCreds(site.credentials.at, planned, how))
}

interface Configuration {
  readonly server: string
  readonly tls: object
}

type OtherBroker = (site: ScenarioSite, node: string, path: string) => Promise<void>

function configured(site: ScenarioSite, node: string, path: string, change: (own: Configuration) => object) {
  return putJson<Configuration>(site, node, path, (own) => Object.assign(own, change(own)))
}
