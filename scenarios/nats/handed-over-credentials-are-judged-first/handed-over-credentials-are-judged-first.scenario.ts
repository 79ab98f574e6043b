import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'
import { put, run } from '../files.ts'
import { admin, demandRefused, forged, handOver, inManifest, otherLetter, taken, worker } from '../handed.ts'
import { setupKeys } from '../store.ts'
import { manifestIn, places } from '../verification.ts'

const env = { 'orchestrator/creds-intake': { CREDS_INTAKE_HANDOVER_TIMEOUT_SECONDS: '2' } }
// One site for all of them: on a ground on which it takes minutes, its certificates are to outlive it.
const test = scenario('nats-orchestrator', { own: true, env, set: { callout: 'false', certificateLifetime: '1h' } })
const on = (site: ScenarioSite, ...argv: string[]) => run(site, 'orchestrator', ...argv)
const text = (site: ScenarioSite, path: string) => site.node('orchestrator').readFile(path)
const nowSeconds = () => Math.floor(Date.now() / 1000)

test('another generation is taken over as soon as it is there', async ({ site }) => {
  const input = JSON.stringify({ overlapSeconds: 0 })
  expect(await site.node('nats-1').run('nats-creds-rotate', { input })).toMatchObject({ code: 0 })

  const generation = async () => (await manifestIn(site, 'orchestrator', `${places.installed}/current.json`)).generation
  await site.until('it is installed', async () => (await generation()) === 2, { withinMs: 10_000 })
})

test.for<[string, string, string, (site: ScenarioSite) => Promise<unknown>]>([
  ['a folder in which a group may write', 'creds.folder', 'folder_mode_invalid', (site) => inMode(site, '2770')],
  ['a folder that all may enter', 'creds.folder', 'folder_mode_invalid', (site) => inMode(site, '0755')],
  [
    'a manifest that is none',
    'creds.manifest',
    'manifest_invalid',
    (site) => put(site, 'orchestrator', `${places.arrived}/manifest.json`, '{'),
  ],
  [
    'a hand-over that does not come',
    'creds.handover',
    'handover_timeout',
    (site) => on(site, 'rm', `${places.arrived}/manifest.json`),
  ],
  [
    'a manifest without one of the users',
    'creds.manifest',
    'manifest_invalid',
    (site) => inManifest(site, (manifest) => Object.assign(manifest, { files: manifest.files.slice(0, 1) })),
  ],
  [
    'an older generation',
    'creds.manifest',
    'generation_old',
    (site) => inManifest(site, (own) => Object.assign(own, { generation: 1 })),
  ],
  [
    'a file that nobody asked for',
    'creds.set',
    'file_unexpected',
    (site) => beside(site, 'HOLO.jwt', () => site.node('nats-1').readFile(`${places.state}/HOLO.jwt`)),
  ],
  ['a tree of keys', 'creds.set', 'signing_key_found', async (site) => beside(site, 'nkeys')],
  [
    'a file with a second name',
    'creds.file',
    'file_link_count',
    async (site) => {
      await on(site, 'ln', worker, 'kept/second')
      return () => on(site, 'rm', 'kept/second')
    },
  ],
  ['a file that all may read', 'creds.file', 'file_mode_invalid', (site) => on(site, 'chmod', '644', worker)],
  ['an empty file', 'creds.file', 'file_empty', (site) => on(site, 'truncate', '--size', '0', worker)],
  ['another file than the manifest names', 'creds.file', 'digest_mismatch', (site) => on(site, 'cp', admin, worker)],
  [
    'the credentials of the administrator under the other name',
    'creds.claims',
    'creds_user_mismatch',
    async (site) => handOver(site, worker, await text(site, admin)),
  ],
  [
    'a user of another account than is said',
    'creds.claims',
    'creds_account_mismatch',
    (site) => inManifest(site, ({ files }) => Object.assign(files[1]!.user, { account: files[0]!.user.account })),
  ],
  [
    'a user with permissions of its own',
    'creds.claims',
    'creds_unscoped',
    async (site) => handOver(site, worker, await forged(site, { claims: { pub: { allow: ['>'] } } })),
  ],
  [
    'a user whom the key of another role signed',
    'creds.claims',
    'creds_unscoped',
    async (site) => handOver(site, worker, await forged(site, { signer: (await setupKeys(site)).hostRole })),
  ],
  [
    'a JWT that needs no key',
    'creds.claims',
    'creds_bearer',
    async (site) => handOver(site, worker, await forged(site, { claims: { bearer_token: true } })),
  ],
  [
    'another operator than before',
    'creds.claims',
    'operator_changed',
    (site) =>
      inManifest(site, (manifest) =>
        Object.assign(manifest, { operator: manifest.operator.replace(/.$/, otherLetter) }),
      ),
  ],
  [
    'a user that has expired',
    'creds.time',
    'creds_expired',
    async (site) => handOver(site, worker, await forged(site, { times: { exp: nowSeconds() - 61 } })),
  ],
  [
    'a user that has not begun',
    'creds.time',
    'creds_not_yet_valid',
    async (site) => handOver(site, worker, await forged(site, { times: { nbf: nowSeconds() + 300 } })),
  ],
])('%s is refused', async ([, guard, reason, change], { site }) => {
  await demandRefused(site, [guard, reason], () => change(site))
})

test.for<[string, (creds: string) => string]>([
  ['cut off amid the JWT', (creds) => creds.slice(0, 300)],
  ['without its seed', (creds) => creds.slice(0, creds.indexOf('*'))],
  ['with shorter END lines', (creds) => creds.replaceAll('------END', '-----END')],
  ['with a byte order mark', (creds) => `\uFEFF${creds}`],
  ['with something after it', (creds) => `${creds}more\n`],
])('credentials %s are none', async ([, spoil], { site }) => {
  await demandRefused(site, ['creds.form', 'creds_malformed'], async () =>
    handOver(site, worker, spoil(await text(site, worker))),
  )
})

test('lines may end as they do on other systems', async ({ site }) => {
  const own = await text(site, worker)
  await handOver(site, worker, own.replaceAll('\n', '\r\n'))
  await taken(site)
  expect(await text(site, `${places.installed}/orchestrator_auth.creds`)).toContain('\r\n')
  await handOver(site, worker, own)
  await taken(site)
  expect(await text(site, `${places.installed}/orchestrator_auth.creds`)).toBe(own)
})

test('all the while the orchestrator worked on with what it had', async ({ site }) => {
  const isReady = async () => (await site.operator('orchestrator').get('/readyz')).status === 200
  await site.until('the orchestrator is ready', isReady, { withinMs: 10_000 })
  expect(await site.decisions('orchestrator', { unit: 'orchestrator', verdict: 'refused' })).toEqual([])
})

async function inMode(site: ScenarioSite, mode: string) {
  await on(site, 'chmod', mode, `${places.arrived}/.`)
  return () => on(site, 'chmod', 'u=rwx,g=,o=,g-s', `${places.arrived}/.`)
}

async function beside(site: ScenarioSite, name: string, content?: () => Promise<string>) {
  const path = `${places.arrived}/${name}`
  if (content === undefined) await on(site, 'mkdir', path)
  else await put(site, 'orchestrator', path, await content())
  return () => on(site, 'rm', '-r', path)
}
