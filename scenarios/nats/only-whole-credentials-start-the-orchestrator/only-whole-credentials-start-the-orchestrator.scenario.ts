import { expect, inspectCreds, rogueAuthority, type ScenarioSite, scenario } from 'holdfast/vitest'
import { keep, put, putJson, run } from '../files.ts'
import { forged, handOver, inManifest, otherLetter } from '../handed.ts'
import { changeRole, setupKeys } from '../store.ts'
import { type Manifest, manifestIn, places } from '../verification.ts'

// One site for all of them: on a ground on which it takes minutes, its certificates are to outlive it.
const test = scenario('nats-orchestrator', { own: true, set: { callout: 'false', certificateLifetime: '1h' } })
const on = (site: ScenarioSite, ...argv: string[]) => run(site, 'orchestrator', ...argv)
const current = `${places.installed}/current.json`
const creds = `${places.installed}/admin_user.creds`
const worker = `${places.installed}/orchestrator_auth.creds`
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

interface Messaging {
  server: string
  credsDir: string
  ca?: string
  connectDeadlineSeconds: number
  mongo: { passwordFile: string }
}

test.for<[string, string, string, (site: ScenarioSite) => Promise<unknown>]>([
  [
    'the folder is not there',
    'creds.folder',
    'folder_owner_invalid',
    (site) => messaging(site, (own) => ({ credsDir: `${own.credsDir}-elsewhere` })),
  ],
  ['nothing says what is installed', 'creds.manifest', 'manifest_missing', (site) => on(site, 'rm', current)],
  ['others may read a file', 'creds.file', 'file_mode_invalid', (site) => on(site, 'chmod', '604', creds)],
  ['a file is cut off', 'creds.file', 'digest_mismatch', (site) => on(site, 'truncate', '--size', '500', creds)],
  ['a password is missing', 'optional-config', 'config_file_missing', (site) => password(site, 'rm')],
  ['a password can be read by all', 'optional-config', 'config_file_mode', (site) => password(site, 'chmod', '644')],
  ['a password is empty', 'optional-config', 'config_file_empty', (site) => password(site, 'truncate', '--size', '0')],
  [
    'the broker is to be spoken to in plaintext',
    'broker.target',
    'endpoint_plaintext',
    (site) => messaging(site, (own) => ({ server: own.server.replace('tls:', 'nats:') })),
  ],
  [
    'the broker is of another CA',
    'broker.target',
    'server_untrusted',
    async (site) => {
      const { anchorPem } = await rogueAuthority()
      await put(site, 'orchestrator', 'kept/other-ca.pem', anchorPem)
      await messaging(site, () => ({ ca: `${site.node('orchestrator').dir}/kept/other-ca.pem` }))
    },
  ],
  [
    'the broker has another name',
    'broker.target',
    'server_name_mismatch',
    async (site) => {
      const { host } = site.node('ca')
      await site.site.lead?.(host, site.node('nats-1').address)
      await messaging(site, () => ({ server: `tls://${host}:4222` }))
    },
  ],
  [
    'its role may do more than it must',
    'broker.self',
    'permissions_unexpected',
    async (site) => {
      const { issuer } = await inspectCreds(
        await site.node('nats-1').readFile(`${places.shared}/orchestrator_auth.creds`),
      )
      await changeRole(site, issuer, '--allow-pub', 'WORKLOAD.>')
      return () => changeRole(site, issuer, '--rm', 'WORKLOAD.>')
    },
  ],
  [
    'its role may not even ask who it is',
    'broker.self',
    'account_unexpected',
    async (site) => {
      const { issuer } = await inspectCreds(
        await site.node('nats-1').readFile(`${places.shared}/orchestrator_auth.creds`),
      )
      await changeRole(site, issuer, '--rm', '$SYS.REQ.USER.INFO')
      return () => changeRole(site, issuer, '--allow-pub', '$SYS.REQ.USER.INFO')
    },
  ],
])('where %s, it does not start', async ([, guard, reason, change], { site }) => {
  const node = site.node('orchestrator')
  const { mongo } = await settings(site)
  const undo = await keep(site, 'orchestrator', places.configuration, current, creds, mongo.passwordFile)
  const tap = await site.tap('orchestrator')
  await node.stop('orchestrator')
  const more = await change(site)

  await expect(node.start('orchestrator')).rejects.toThrow(/not ready/)

  const refusals = await tap.decisions({ unit: 'orchestrator', verdict: 'refused' })
  expect(refusals.length).toBeGreaterThan(0)
  for (const refusal of refusals) expect(refusal).toMatchObject({ layer: 'start-up', guard, reason })
  expect(tap.logs().join('\n')).toContain(`orchestrator: ${reason}: `)
  if (typeof more === 'function') await more()
  await site.site.lead?.(site.node('ca').host)
  await undo()
  await node.start('orchestrator')
  expect(await site.operator('orchestrator').get('/readyz')).toMatchObject({ status: 200 })
})

/** The installed set, while the orchestrator works with it. */
const later: readonly [string, string, string, (site: ScenarioSite) => Promise<unknown>][] = [
  ['a group may write the folder', 'creds.folder', 'folder_mode_invalid', (site) => inMode(site, '770')],
  [
    'what says what is installed is no JSON',
    'creds.manifest',
    'manifest_invalid',
    (site) => put(site, 'orchestrator', current, '{'),
  ],
  [
    'it is older',
    'creds.manifest',
    'generation_old',
    (site) => inCurrent(site, (own) => Object.assign(own, { generation: own.generation - 1 })),
  ],
  ['another file lies there', 'creds.set', 'file_unexpected', (site) => beside(site, 'notes.txt')],
  ['keys lie there', 'creds.set', 'signing_key_found', (site) => beside(site, 'nkeys')],
  ['a file has a second name', 'creds.file', 'file_link_count', (site) => linked(site)],
  ['a file is empty', 'creds.file', 'file_empty', (site) => on(site, 'truncate', '--size', '0', creds)],
  ['a file holds no credentials', 'creds.form', 'creds_malformed', (site) => installed(site, 'nothing')],
  [
    'they are those of the administrator under the other name',
    'creds.claims',
    'creds_user_mismatch',
    async (site) => installed(site, await site.node('orchestrator').readFile(creds)),
  ],
  [
    'they are of another account than is said',
    'creds.claims',
    'creds_account_mismatch',
    (site) => inCurrent(site, ({ files }) => Object.assign(files[1]!.user, { account: files[0]!.user.account })),
  ],
  [
    'another key than that of their role signed them',
    'creds.claims',
    'creds_unscoped',
    async (site) => installed(site, await forged(site, { signer: (await setupKeys(site)).hostRole })),
  ],
  [
    'they need no key',
    'creds.claims',
    'creds_bearer',
    async (site) => installed(site, await forged(site, { claims: { bearer_token: true } })),
  ],
  [
    'they are of another operator',
    'creds.claims',
    'operator_changed',
    (site) => inCurrent(site, (own) => Object.assign(own, { operator: own.operator.replace(/.$/, otherLetter) })),
  ],
  [
    'they have expired',
    'creds.time',
    'creds_expired',
    async (site) => installed(site, await forged(site, { times: { exp: inSeconds(-61) } })),
  ],
  [
    'they have not begun',
    'creds.time',
    'creds_not_yet_valid',
    async (site) => installed(site, await forged(site, { times: { nbf: inSeconds(300) } })),
  ],
]

test('a newer set is used as soon as it is installed', async ({ site }) => {
  const { generation } = await manifestIn(site, 'orchestrator', current)
  await inCurrent(site, (own) => Object.assign(own, { generation: generation + 1 }))

  const isInUse = async () => (await inUse(site)).generation > generation
  await site.until('it is in use', isInUse, { withinMs: 5_000 })
  expect(await inUse(site)).toMatchObject({ generation: generation + 1, state: 'connected' })
})

test.for(later)('while it works, it takes no set of which %s', async ([, guard, reason, change], { site }) => {
  const undo = await keep(site, 'orchestrator', current, creds, worker)
  const before = await inUse(site)
  const tap = await site.tap('orchestrator')
  const more = await change(site)
  await on(site, 'touch', '--no-create', current)

  const refused = async () => (await tap.decisions({ unit: 'orchestrator', guard, reason })).length > 0
  await site.until(`it refuses for ${reason}`, refused, { withinMs: 5_000 })
  expect(await tap.decisions({ guard })).toMatchObject([{ verdict: 'refused', action: 'messaging:credentials' }])
  const isAsBefore = async () => {
    expect(await inUse(site)).toEqual(before)
    expect(await site.operator('orchestrator').get('/readyz')).toMatchObject({ status: 200 })
  }
  await isAsBefore()
  if (typeof more === 'function') await more()
  await undo()
  await isAsBefore()
})

/** What the orchestrator says of the credentials that it works with. */
async function inUse(site: ScenarioSite): Promise<{ user: string; generation: number; state: string }> {
  const { json } = await site.operator('orchestrator').get('/v1/state')
  const { user, generation, state } = (json as { messaging: { work: Awaited<ReturnType<typeof inUse>> } }).messaging
    .work
  return { user, generation, state }
}

function inCurrent(site: ScenarioSite, change: (json: Manifest) => unknown): Promise<void> {
  return inManifest(site, change, current)
}

/** Another text in the file of the worker, and what is installed says that this is the one. */
function installed(site: ScenarioSite, text: string): Promise<void> {
  return handOver(site, worker, text, current)
}

async function inMode(site: ScenarioSite, mode: string) {
  await on(site, 'chmod', mode, places.installed)
  return () => on(site, 'chmod', '700', places.installed)
}

async function beside(site: ScenarioSite, name: string) {
  await on(site, 'mkdir', `${places.installed}/${name}`)
  return () => on(site, 'rmdir', `${places.installed}/${name}`)
}

async function linked(site: ScenarioSite) {
  await on(site, 'ln', creds, 'kept/second')
  return () => on(site, 'rm', 'kept/second')
}

async function settings(site: ScenarioSite): Promise<Messaging> {
  const text = await site.node('orchestrator').readFile(places.configuration)
  return (JSON.parse(text) as { messaging: Messaging }).messaging
}

function messaging(site: ScenarioSite, change: (own: Messaging) => Partial<Messaging>): Promise<void> {
  return putJson<{ messaging: Messaging }>(site, 'orchestrator', places.configuration, (configuration) => {
    Object.assign(configuration.messaging, { connectDeadlineSeconds: 5, ...change(configuration.messaging) })
  })
}

async function password(site: ScenarioSite, ...argv: string[]): Promise<void> {
  await on(site, ...argv, (await settings(site)).mongo.passwordFile)
}
