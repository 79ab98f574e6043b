import { expect, inspectCreds, rogueAuthority, type ScenarioSite, scenario } from 'holdfast/vitest'
import { keep, put, putJson, run } from '../files.ts'
import { changeRole } from '../store.ts'
import { places } from '../verification.ts'

const test = scenario('nats-orchestrator', { own: true, set: { callout: 'false' } })
const on = (site: ScenarioSite, ...argv: string[]) => run(site, 'orchestrator', ...argv)
const current = `${places.installed}/current.json`
const creds = `${places.installed}/admin_user.creds`

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
