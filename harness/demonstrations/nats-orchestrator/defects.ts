import { forgedCreds } from '../../credentials/nats-creds/forged.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import { keep, put, putJson, run } from '../../site/node-files.ts'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import type { Defect } from '../verification.ts'
import { places } from './facts.ts'

// What turns each of the steps T1 to T8 red, that one alone.

interface Configuration {
  messaging: {
    server: string
    connectDeadlineSeconds: number
    stream: { maxBytes?: number }
    mongo: { passwordFile: string }
  }
}

type Undo = () => Promise<unknown>

const shared = `${places.shared}/admin_user.creds`
const laid = `${places.laid}/admin_user.creds`
const installed = (name: string) => `${places.installed}/${name}`

/** The orchestrator once more, with another configuration; `fails`: how its start ends. */
async function reconfigured(site: ScenarioSite, change: (configuration: Configuration) => unknown, fails?: RegExp) {
  const node = site.node('orchestrator')
  const undo = await keep(site, 'orchestrator', places.configuration)
  await putJson(site, 'orchestrator', places.configuration, change)
  await node.stop('orchestrator')
  const failure = await node.start('orchestrator').catch((failure: Error) => failure)
  if (fails === undefined ? failure : !fails.test(failure?.message ?? '')) {
    throw new Error(`the orchestrator ${failure ? 'failed otherwise' : 'started all the same'}`, { cause: failure })
  }
  return async () => {
    await undo()
    await node.stop('orchestrator')
    await node.start('orchestrator')
  }
}

/** An operator of the same name, made by nsc as the first one was. */
export async function otherOperator(site: ScenarioSite): Promise<string> {
  const where = ['--all-dirs', `${site.node('nats-1').dir}/kept/other-operator`]
  await run(site, 'nats-1', 'nsc', 'add', 'operator', '--name', 'HOLO', ...where)
  return run(site, 'nats-1', 'nsc', 'describe', 'operator', '--raw', ...where)
}

async function changed(
  site: ScenarioSite,
  node: string,
  path: string,
  change: (path: string) => Promise<unknown>,
): Promise<Undo> {
  const undo = await keep(site, node, path)
  await change(path)
  return undo
}

/** A service is ended and started, as one that fell and that its manager started again; there is nothing to put right then. */
async function startedAgain(site: ScenarioSite, node: string, unit: string): Promise<Undo> {
  await site.node(node).stop(unit)
  await site.node(node).start(unit)
  return async () => {}
}

type Row = [what: string, step: string, found: RegExp, plant: Defect['plant'], more?: Pick<Defect, 'restarts'>]

const planted: readonly Row[] = [
  [
    'the broker is stopped',
    'T1 broker status',
    /^what nats-server did last is "unit-exited"/,
    async (site) => {
      await site.node('nats-1').stop('nats-server')
      return () => site.node('nats-1').start('nats-server')
    },
  ],
  [
    'the broker was started again',
    'T1 broker status',
    /^process of nats-server, which was there before is \d/,
    (site) => startedAgain(site, 'nats-1', 'nats-server'),
  ],
  [
    'the operator on disk is another one',
    'T1 broker status',
    /^digest of the operator in \/varz is /,
    (site) =>
      changed(site, 'nats-1', `${places.state}/HOLO.jwt`, async (path) =>
        put(site, 'nats-1', path, await otherOperator(site)),
      ),
  ],
  [
    'credentials can be read by all',
    'T2 credentials on the host of the broker',
    /^mode of shared-creds\/admin_user\.creds is "644"/,
    (site) => changed(site, 'nats-1', shared, (path) => run(site, 'nats-1', 'chmod', '644', path)),
  ],
  [
    'credentials are empty',
    'T2 credentials on the host of the broker',
    /^shared-creds\/admin_user\.creds is empty$/,
    (site) => changed(site, 'nats-1', shared, (path) => run(site, 'nats-1', 'truncate', '--size', '0', path)),
  ],
  [
    'what is handed over can be read by all',
    'T3 hand-over folder, from both hosts',
    /^mode of nats-1: admin_user\.creds is "644"/,
    (site) => changed(site, 'nats-1', laid, (path) => run(site, 'nats-1', 'chmod', '644', path)),
  ],
  [
    'a signing key lies with what is handed over',
    'T3 hand-over folder, from both hosts',
    /^files at nats-1 is .*"account\.nk"/,
    async (site) => {
      const keys = `${places.state}/nsc/keys/keys/A`
      const found = (await run(site, 'nats-1', 'find', keys, '-name', '*.nk')).split('\n')[0]!
      const path = `${places.laid}/account.nk`
      await run(site, 'nats-1', 'cp', found, path)
      await intakeRefuses(site, 'creds.set', 'signing_key_found')
      return async () => void (await run(site, 'nats-1', 'rm', path))
    },
  ],
  [
    'installed credentials are cut off',
    'T4 credentials of the orchestrator',
    /^digest of admin_user\.creds is /,
    (site) =>
      changed(site, 'orchestrator', installed('admin_user.creds'), (path) =>
        run(site, 'orchestrator', 'truncate', '--size', '500', path),
      ),
  ],
  [
    'those of the administrator stand under the other name',
    'T4 credentials of the orchestrator',
    /^digest of orchestrator_auth\.creds is /,
    (site) =>
      changed(site, 'orchestrator', installed('orchestrator_auth.creds'), (path) =>
        run(site, 'orchestrator', 'cp', installed('admin_user.creds'), path),
      ),
  ],
  [
    'the password file is missing',
    'T5 configuration of the orchestrator',
    /^password is missing$/,
    async (site) => {
      const { messaging } = JSON.parse(await site.node('orchestrator').readFile(places.configuration)) as Configuration
      return changed(site, 'orchestrator', messaging.mongo.passwordFile, (path) =>
        run(site, 'orchestrator', 'rm', path),
      )
    },
  ],
  [
    'the orchestrator looks for the broker on another host',
    'T6 orchestrator status',
    /^what orchestrator did last is "unit-failed"/,
    (site) =>
      reconfigured(
        site,
        ({ messaging }) => {
          messaging.server = `tls://${site.node('ca').host}:4222`
          messaging.connectDeadlineSeconds = 1
        },
        /its program exited/,
      ),
  ],
  [
    'the orchestrator was started again',
    'T6 orchestrator status',
    /^process of orchestrator, which was there before is \d/,
    (site) => startedAgain(site, 'orchestrator', 'orchestrator'),
  ],
  [
    'one byte of a JWT is another one',
    'T7 content of the credentials',
    /^nats-1: admin_user\.creds: sig verification failed$/,
    (site) =>
      changed(site, 'nats-1', shared, async (path) => {
        const text = await site.node('nats-1').readFile(path)
        await put(
          site,
          'nats-1',
          path,
          text.replace(/(\neyJ[^.]+\.[^.]+\..{20})(.)/, (_, head, byte) => head + (byte === 'A' ? 'B' : 'A')),
        )
      }),
  ],
  [
    'a user has expired',
    'T7 content of the credentials',
    /^nats-1: orchestrator_auth\.creds has expired$/,
    (site) =>
      changed(site, 'nats-1', `${places.shared}/orchestrator_auth.creds`, async (path) => {
        const planned = credentialOf(site.plan, 'nats-creds', 'creds-orchestrator')
        const times = { exp: Math.floor(Date.now() / 1000) - 1 }
        await put(site, 'nats-1', path, await forgedCreds(site.credentials.at, planned, { times }))
      }),
  ],
  [
    'the stream takes no more',
    'T8 success',
    /^answer to a command is 503/,
    (site) => reconfigured(site, ({ messaging }) => Object.assign(messaging.stream, { maxBytes: 1024 })),
    { restarts: true },
  ],
]

const ofHosts: typeof planted = [
  [
    'the agent of the host is stopped',
    'T8 success',
    /^state that its host tells is undefined/,
    async (site) => {
      await site.node('host-1').stop('host-agent')
      return () => site.node('host-1').start('host-agent')
    },
  ],
]

export const defects: readonly Defect[] = [
  ...planted.map(([what, step, found, plant, more]) => ({ what, step, found, plant, ...more })),
  ...ofHosts.map(([what, step, found, plant]) => ({ what, step, found, plant, node: 'host-1' })),
]

async function intakeRefuses(site: ScenarioSite, guard: string, reason: string): Promise<void> {
  const refused = async () => (await site.decisions('orchestrator', { unit: 'creds-intake', guard, reason })).length > 0
  await site.until(`the intake refuses for ${reason}`, refused, { withinMs: 10_000 })
}
