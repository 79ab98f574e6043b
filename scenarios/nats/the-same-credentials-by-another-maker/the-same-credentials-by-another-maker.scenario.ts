import { credentialOf, expect, forgedCreds, inspectCreds, scenario, userOfFile } from 'holdfast/vitest'
import { put } from '../files.ts'
import { forged, handOver, inManifest, worker } from '../handed.ts'
import { nsc } from '../store.ts'
import { manifestIn, places } from '../verification.ts'

const test = scenario('nats-orchestrator', { own: true, set: { callout: 'false' } })

type Verb = 'publish' | 'subscribe'

const may = ['orchestrator', 'admin'] as const
/** Everything that is tried at the broker, and the users whose roles hold it. */
const tries: readonly [Verb, string, readonly (typeof may)[number][]][] = [
  ['publish', 'WORKLOAD.host-1.cmd.x', may],
  ['publish', 'WORKLOAD.host-2.status', ['admin']],
  ['publish', 'ADMIN.x', ['admin']],
  ['publish', '$SYS.REQ.CLAIMS.UPDATE', []],
  ['subscribe', 'INVENTORY.>', may],
  ['subscribe', 'ADMIN.>', ['admin']],
  ['subscribe', '>', []],
]

test.for(
  may.flatMap((user) => tries.map(([verb, subject, able]) => [user, verb, subject, able.includes(user)] as const)),
)(
  '%s, %s %s: %s, by nsc and by the NATS JWT library alike',
  async ([user, verb, subject, isAble], { site, credential }) => {
    const name = `creds-${user}`
    const planned = credentialOf(site.plan, 'nats-creds', name)
    const made = await userOfFile(await forgedCreds(site.credentials.at, planned))
    const ofNsc = credential(name)
    const reason = `nats_${verb}_denied`

    for (const creds of [ofNsc, ofNsc.with('creds', made, 'of another maker')]) {
      expect(await site.call('orchestrator', 'nats-1', 'nats:connect', creds)).toBeAccepted()
      const verdict = await site.call('orchestrator', 'nats-1', 'nats:connect', creds, { does: { [verb]: subject } })
      if (isAble) expect(verdict).toBeAccepted()
      else expect(verdict).toBeRefused({ error: 'Permissions Violation', guard: 'broker.permission', reason })
    }
  },
)

test('they are taken over, and the orchestrator works with them', async ({ site }) => {
  const text = await forged(site, {})
  const { subject } = await inspectCreds(text)
  await handOver(site, worker, text)
  await inManifest(site, (manifest) => Object.assign(manifest, { generation: manifest.generation + 1 }))

  const inUse = async () => {
    const { json } = await site.operator('orchestrator').get('/v1/state')
    const { work } = (json as { messaging: { work: { user: string; state: string } } }).messaging
    return work.user === subject && work.state === 'connected'
  }
  await site.until('the orchestrator is connected with them', inUse, { withinMs: 15_000 })
  const { files } = await manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
  expect(files.map(({ user }) => user.key)).toContain(subject)
  expect(await site.operator('orchestrator').get('/readyz')).toMatchObject({ status: 200 })
})

test('nsc reads what the library wrote', async ({ site }) => {
  const text = await forged(site, {})
  const { subject, issuer } = await inspectCreds(text)
  await put(site, 'nats-1', 'kept/other.creds', text)

  const described = await nsc(site, 'describe', 'jwt', '--json', '--file', 'kept/other.creds')

  expect(JSON.parse(described)).toMatchObject({ sub: subject, iss: issuer, name: 'orchestrator_user' })
})
