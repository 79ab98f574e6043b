import { z } from 'zod'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { PlanUnit, Probe, Service, Step, Template } from '../../topology/plan.ts'
import { name, port } from '../../topology/schema.ts'
import { type Made, madeFor, operatorFile, resolverFile, setupFile, setupFolderBeside } from '../nats-files.ts'
import { tlsFiles } from '../reference-service.ts'
import { guards } from './guards.ts'
import { actionsOf, verificationOf } from './verification.ts'

const subjects = z.array(z.string().regex(/^[^\s.]+(\.[^\s.]+)*$/, 'must be a subject')).default([])
const bytes = z.int().min(1_048_576)

const settings = z
  .strictObject({
    operator: z.string().min(1).default('HOLO').describe('Name of the operator that it trusts.'),
    setup: name
      .default('nats-auth-setup')
      .describe('The unit of its node that makes the keys of operator and accounts.'),
    isStrict: z
      .boolean()
      .default(true)
      .describe('Whether the operator has users signed by signing keys of their accounts alone.'),
    certificate: name.optional().describe('The certificate credential that it serves with. Default: `cert-<node>`.'),
    ports: z
      .strictObject({ client: port.default(4222), monitoring: port.default(8222) })
      .prefault({})
      .describe('Its ports: that for clients, and that of its monitoring, on loopback.'),
    jetstream: z
      .union([z.boolean(), z.strictObject({ memoryBytes: bytes, fileBytes: bytes })])
      .default(true)
      .describe('Whether it keeps streams, and how much of them. Default: 64 MiB in memory, 1 GiB on disk.'),
    tries: z
      .strictObject({ publish: subjects, subscribe: subjects })
      .prefault({})
      .describe(
        'Subjects that are tried with every credential, an action each: `nats:publish/SUBJECT`, `nats:subscribe/SUBJECT`.',
      ),
    callout: z
      .strictObject({
        unit: name.default('auth-callout').describe('The unit of its node that decides.'),
        account: z.string().min(1).default('AUTH').describe('Name of the account whose users it decides about.'),
        users: z.array(z.string().min(1)).default(['callout_user']).describe('Users of it who are let in without it.'),
      })
      .optional()
      .describe('Who decides about logins, where that is not the broker alone.'),
  })
  .describe('A NATS broker of operator mode, over TLS with client certificates.')

export type Settings = z.infer<typeof settings>
export type Unit = UnitContext<Settings>

/** A real nats-server, with the companion that turns its log into decision records. */
export const natsServer = defineKind({
  name: 'nats-server',
  summary: 'message broker (nats-server) of operator mode, over TLS with client certificates',
  settings,
  plan,
  guards,
})

/** Longer than any login that is meant: one that carries the JWT of a user beside a token. */
const longestLine = 16_384

function plan(unit: Unit): KindPlan {
  const { setup, operator } = unit.settings
  const files = [operatorFile(operator), resolverFile, setupFile]
  const made = madeFor(unit, { setup, files })
  return {
    summary: `broker of the operator ${operator}`,
    files: [{ path: '@{unit}/server.conf', text: configurationText(unit, made) }],
    steps: [...made.steps, fileCheck(files.map((file) => `${made.folder}/${file}`))],
    service: service(unit),
    actions: actionsOf(unit.settings),
    verification: verificationOf(unit),
    surfaces: ['broker-monitoring', ...(unit.settings.isStrict ? ['strict-signing'] : [])],
    companions: [companion(unit)],
  }
}

/** A broker that starts on half a setup would trust somebody else, or nobody. */
function fileCheck(files: readonly Template[]): Step {
  return { run: { program: { service: 'nats-companion' }, args: ['check', ...files] } }
}

/** In the broker's own form, whose values may be JSON. */
function configurationText(unit: Unit, { folder, isHanded }: Made): string {
  const { setup, operator, ports, jetstream } = unit.settings
  const { ca, cert, key } = tlsFiles(unit)
  const { memoryBytes, fileBytes } =
    typeof jetstream === 'object' ? jetstream : { memoryBytes: 2 ** 26, fileBytes: 2 ** 30 }
  const values = {
    server_name: unit.node,
    listen: `@{address}:${ports.client}`,
    http: `@{loopback}:${ports.monitoring}`,
    operator: `${folder}/${operatorFile(operator)}`,
    tls: { cert_file: cert, key_file: key, ca_file: ca, verify: true },
    ...(jetstream !== false && {
      jetstream: {
        ...{ store_dir: '@{unit}/jetstream', max_memory_store: memoryBytes, max_file_store: fileBytes },
        // What it acknowledged is on disk. Its default is a sync every two minutes: whoever is told so keeps no copy.
        sync_interval: 'always',
      },
    }),
    max_control_line: longestLine,
    // The companion reads reasons in them. `trace` would write tokens.
    ...{ debug: true, logtime: true, logtime_utc: true, log_file: logFile('@{unit}') },
  }
  const lines = Object.entries(values).map(([member, value]) => `${member}: ${JSON.stringify(value)}`)
  const beside = isHanded ? 'setup' : setupFolderBeside(setup)
  return [...lines, `include ${JSON.stringify(`${beside}/${resolverFile}`)}`, ''].join('\n')
}

function logFile(folder: string): string {
  return `${folder}/nats-server.log`
}

function service({ settings: { ports } }: Unit): Service {
  return {
    command: { program: { tool: 'nats-server' }, args: ['--config', '@{unit}/server.conf'] },
    ready: readiness(ports.monitoring),
    listeners: [{ name: 'nats', port: ports.client, protocol: 'tcp', clientCertificate: 'required' }],
    decisionLog: '@{unit}/decisions.jsonl',
    logFile: logFile('@{unit}'),
  }
}

/** It answers so once its listener takes clients and its streams are there: nobody has to knock at the port of the clients. */
function readiness(monitoring: number): Probe {
  return { http: { url: `http://@{loopback}:${monitoring}/healthz?js-enabled-only=true`, expect: [200] } }
}

/** Reads what the broker writes, and writes its decisions down: in the name of the broker, and where its own would be. */
function companion({ node, unit, topology, settings: { ports, callout } }: Unit): PlanUnit {
  const { [unit]: own, [callout?.unit ?? unit]: other } = topology.nodes[node]!.units
  const folder = `@{dir}/units/${unit}`
  const json = {
    ...{ node, unit, listener: 'nats', log: logFile(folder), decisionLog: `${folder}/decisions.jsonl` },
    monitoring: `http://@{loopback}:${ports.monitoring}`,
    ...(callout && {
      callout: {
        ...{ unit: callout.unit, account: callout.account, users: callout.users },
        decisionLog: `@{dir}/units/${callout.unit}/decisions.jsonl`,
      },
    }),
  }
  return {
    name: `${unit}-companion`,
    kind: 'nats-companion',
    // It reads what two units write: where these are of two users, it is that of the agent.
    ...(own?.user !== other?.user && { user: undefined }),
    summary: `turns the log of ${unit} into decision records`,
    after: [`${node}/${unit}`],
    files: [{ path: '@{unit}/config.json', json }],
    steps: [],
    service: {
      command: { program: { service: 'nats-companion' }, args: ['--config', '@{unit}/config.json'] },
      ready: readiness(ports.monitoring),
      listeners: [],
    },
  }
}
