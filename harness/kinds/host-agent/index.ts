import { z } from 'zod'
import { durationSeconds } from '../../topology/duration.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { UnitRef } from '../../topology/plan.ts'
import { duration, name, port } from '../../topology/schema.ts'
import { credsIntake, installedBy } from '../creds-intake/index.ts'
import { referenceService, startOf, tlsFiles } from '../reference-service.ts'

const settings = z
  .strictObject({
    server: name.describe('Node of the broker.'),
    token: name.describe('The bound token that is sent with a login.'),
    credentials: name
      .default('sentinel-intake')
      .describe('The creds-intake of its node that installs the credentials that it logs in with.'),
    certificate: name.optional().describe('The certificate credential of its node. Default: `cert-<node>`.'),
    retry: z
      .strictObject({ initial: duration.optional(), maximum: duration.optional() })
      .prefault({})
      .describe('Back-off after a refusal. Default: 1s, doubling to 30s.'),
    ports: z
      .strictObject({ local: port.default(9445) })
      .prefault({})
      .describe('The port at which it says whether it is ready.'),
  })
  .describe('Logs in at a NATS broker with a bound token, and applies the commands for its host.')

type Unit = UnitContext<z.output<typeof settings>>

/** The reference agent under `services/host-agent`. */
export const hostAgent = defineKind({
  name: 'host-agent',
  summary: 'applies the commands for its host, for which it logs in at a NATS broker with a certificate-bound token',
  settings,
  plan,
})

function plan(unit: Unit): KindPlan {
  const { server, ports } = unit.settings
  // A plan is plain JSON: settings that were left out are left out there, too.
  const json: unknown = JSON.parse(JSON.stringify(configuration(unit)))
  return {
    summary: `applies the commands for ${unit.node} that ${server} keeps`,
    files: [{ path: '@{unit}/config.json', json }],
    after: [intakeOf(unit)],
    service: referenceService(unit, 'host-agent', ports.local, [
      { name: 'local', port: ports.local, protocol: 'https', clientCertificate: 'none' },
    ]),
    insider: { start: startOf('listen.local') },
  }
}

/** The unit whose credentials it logs in with. */
function intakeOf({ node, topology, mistake, settings: { credentials } }: Unit): UnitRef {
  if (topology.nodes[node]?.units[credentials]?.kind !== credsIntake.name) {
    mistake('settings.credentials', `"${credentials}" is no creds-intake of "${node}"; declare one`)
  }
  return `${node}/${credentials}`
}

function configuration(unit: Unit) {
  const { server, token, credentials, retry, ports } = unit.settings
  const inMs = (text: string | undefined) => (text === undefined ? undefined : durationSeconds(text) * 1_000)
  return {
    ...{ node: unit.node, unit: unit.unit, server: unit.url(server, 'nats', 'tls'), tls: tlsFiles(unit) },
    // The broker sees the node by its address.
    localAddress: '@{address}',
    listen: { local: `@{address}:${ports.local}` },
    credsDir: installedBy(credentials),
    tokenFile: tokenOf(unit, token),
    storage: { path: '@{unit}/state/ledger.db' },
    retry: { initialMs: inMs(retry.initial), maximumMs: inMs(retry.maximum) },
    decisionLog: '@{unit}/decisions.jsonl',
  }
}

function tokenOf(unit: Unit, token: string) {
  const { path, declaration } = unit.credential(token)
  if (declaration !== undefined && declaration.kind !== 'bound-token') {
    unit.mistake('settings.token', `"${token}" is no bound token; name one`)
  }
  return path
}
