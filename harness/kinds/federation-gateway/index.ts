import type { Row } from '../../credentials/federation-grant/lent.ts'
import { defaultOids, type GrantIssuer } from '../../credentials/federation-grant/planned.ts'
import { systemRoots } from '../../pki/given.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Command, Listener, PlanFile, Step, Template } from '../../topology/plan.ts'
import { databaseFor, type UsedDatabase } from '../database-files.ts'
import { startOf } from '../reference-service.ts'
import { enrolmentActions, enrolmentVerification } from './enrolment.ts'
import { federating, inviting } from './federate.ts'
import { type Lending, lendingActions, lendingVerification } from './lending.ts'
import { rowsIn, subjectsIn } from './lent.ts'
import { type PeerCa, peerCaOf } from './peer-ca.ts'
import { type Settings, settings } from './settings.ts'

export type Unit = UnitContext<Settings>

const configurationFile = '@{unit}/gateway.json'
const seedFile = '@{unit}/seed.json'
const secretFiles = { sealing: '@{unit}/sealing-secret', operator: '@{unit}/operator-token' }
const databaseUrlFile = '@{unit}/database/url'
/** As many as it can be told. */
const unlimited = {
  perGrant: 6_000,
  ...{ enrolmentsPerAddress: 10_000, enrolments: 100_000, authenticationsPerAddress: 10_000 },
  handshakeRecords: 100_000,
}

/** The reference gateway under `services/federation-gateway`. */
export const federationGateway = defineKind({
  name: 'federation-gateway',
  summary: 'gateway that lends scoped rows of its database to certified peers, and asks theirs',
  settings,
  plan,
  offers: { 'federation-grant': grantIssuer, 'enrolment-token': grantIssuer },
})

function plan(unit: Unit): KindPlan {
  const { tier, database: databaseNode, ca, ports } = unit.settings
  const database = databaseFor(unit, databaseNode)
  const peers = tier === 'federated' && ca !== undefined ? peerCaOf(unit, ca) : undefined
  const tls = tlsOf(unit)
  const json: unknown = JSON.parse(JSON.stringify(configuration(unit, tls, peers)))
  const seed = seedOf(unit)
  const lending = tier === 'federated' ? lendingOf(unit) : undefined
  const administering = { unit, operatorToken: operatorTokenOf(unit), ca: tls.ca }
  return {
    summary: `${tier} gateway ${unit.node} over the database of ${databaseNode}`,
    files: [{ path: configurationFile, json }, ...seed],
    after: [...database.after, ...(peers?.after ?? [])],
    steps: [
      {
        parallel: [
          [...database.steps, { write: { path: databaseUrlFile, text: urlOf(database) } }],
          ...secrets,
          ...(peers ? [peers.steps] : []),
        ],
      },
      { run: gateway('migrate') },
      ...(seed.length === 0 ? [] : [{ run: gateway('import', seedFile) }]),
    ],
    service: {
      command: gateway('start'),
      ready: { http: { url: `https://${unit.host}:${ports.public}/healthz`, tls: { ca: tls.ca }, expect: [200] } },
      decisionLog: '@{unit}/decisions.jsonl',
      listeners: listenersOf(unit),
      // What it is answering may take as long as that.
      stopWithinMs: 20_000,
    },
    ...(lending && { actions: { ...lendingActions(lending), ...enrolmentActions } }),
    ...(lending && { verification: verificationOf(unit, lending) }),
    companions: [...inviting(administering), ...federating(administering)],
    surfaces: ['start'],
    insider: {
      start: {
        ...startOf('listeners.public', 'listeners.federation')!,
        configuration: configurationFile,
        writes: ['decisionLog'],
      },
    },
  }
}

function lendingOf(unit: Unit): Lending {
  const { topology, domain, settings } = unit
  const rows: Record<string, Record<string, Row>> = {}
  for (const { resource, name, row } of rowsIn(settings)) {
    if (row === undefined) unit.mistake(`settings.rows.${resource}.${name}`, 'is no row among what it imports')
    else rows[resource] = { ...rows[resource], [name]: row }
  }
  return { listener: 'federation', anchors: [topology.nodes[settings.ca ?? '']?.domain ?? domain], rows }
}

/** Of one that the topology has lend nothing, or invite nobody, there is nothing to derive. */
function verificationOf(unit: Unit, lending: Lending): KindPlan['verification'] {
  const all = {
    ...(unit.issued('federation-grant').length > 0 && lendingVerification(lending)),
    ...(unit.issued('enrolment-token').length > 0 && enrolmentVerification),
  }
  return Object.keys(all).length > 0 ? all : undefined
}

function grantIssuer({ host, unit, settings }: Unit): GrantIssuer {
  const { ports, ca: signer = '', oids, scopes, leafSeconds = 300, overlapSeconds = 60 } = settings
  return {
    ...{ url: `https://${host}:${ports.public}`, lends: `https://${host}:${ports.federation}` },
    operatorToken: operatorTokenOf({ unit }),
    ...{ signer, oids: { ...defaultOids, ...oids }, overlapSeconds, lifetimeSeconds: leafSeconds },
    ...{ subjects: subjectsIn(settings), scopes },
  }
}

/** For other units of its node. */
function operatorTokenOf({ unit }: Pick<Unit, 'unit'>): Template {
  return secretFiles.operator.replace('@{unit}', `@{dir}/units/${unit}`)
}

function listenersOf({ settings: { tier, ports } }: Unit): Listener[] {
  const open: Listener = { name: 'public', port: ports.public, protocol: 'https', clientCertificate: 'none' }
  const forPeers: Listener = {
    name: 'federation',
    port: ports.federation,
    protocol: 'https',
    clientCertificate: 'required',
  }
  return tier === 'federated' ? [open, forPeers] : [open]
}

function gateway(...words: string[]): Command {
  return { program: { service: 'federation-gateway' }, args: ['--config', configurationFile, ...words] }
}

/** Made anew for each run. */
const secrets: Step[][] = Object.values(secretFiles).map((path) => [{ secret: { path, bytes: 32, as: 'base64url' } }])

function urlOf({ host, port, database, owner, passwordFile, ca }: UsedDatabase): string {
  const roots = ca === undefined || ca === systemRoots ? '' : `&sslrootcert=${ca}`
  const tls = ca === undefined ? '' : `?sslmode=verify-full${roots}`
  return `postgres://${owner}:@{content:${passwordFile}}@${host}:${port}/${database}${tls}\n`
}

function seedOf(unit: Unit): PlanFile[] {
  const { import: seed } = unit.settings
  if (seed === undefined) return []
  if (typeof seed === 'string') return [{ path: seedFile, from: { path: unit.resolve(seed), values: {} } }]
  return [{ path: seedFile, json: seed }]
}

interface Tls {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

function tlsOf(unit: Unit): Tls {
  const folder = unit.credential(unit.settings.certificate ?? `${unit.node}-tls`).path
  return { ca: unit.anchor(unit.domain), cert: `${folder}/cert.pem`, key: `${folder}/key.pem` }
}

function configuration(unit: Unit, { cert, key }: Tls, peers: PeerCa | undefined) {
  const {
    tier,
    publicName = unit.host,
    leafSeconds,
    leafCapSeconds,
    overlapSeconds,
    crlSeconds,
    ...rest
  } = unit.settings
  const { oids, limits, ports } = rest
  return {
    ...{ tier, node: unit.node, unit: unit.unit, publicName, publicUrl: `https://${unit.host}:${ports.public}` },
    databaseUrlFile,
    sealing: { secretFile: secretFiles.sealing },
    admin: { operatorTokenFile: secretFiles.operator },
    listeners: { public: `@{address}:${ports.public}`, federation: `@{address}:${ports.federation}` },
    tls: { cert, key },
    ...(peers && {
      stepCa: {
        url: peers.url,
        rootCertPath: peers.root,
        provisionerName: peers.provisioner,
        provisionerKeyFile: peers.key,
      },
      clientCa: peers.chain,
      crl: { rootCrlFile: peers.rootCrl, refreshSeconds: crlSeconds },
    }),
    oids,
    leaf: { seconds: leafSeconds, capSeconds: leafCapSeconds },
    renewal: { overlapSeconds },
    // Its peers see the node by its address.
    outbound: { localAddress: '@{address}' },
    rateLimit: { ...unlimited, ...limits },
    decisionLog: '@{unit}/decisions.jsonl',
  }
}
