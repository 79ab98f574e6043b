import { loadTopology, type TopologyDeclaration } from 'holdfast'

// The shipped nats-orchestrator, each of whose programs runs as a user of its own.

/** Who runs what. Nearly every system has these users, and none of them may become another. */
export const users = { keys: 'bin', broker: 'daemon', callout: 'games', orchestrator: 'mail', host: 'lp' } as const

export const runsAs: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ca: { ca: 'nobody' },
  auth: { auth: 'nobody' },
  'nats-1': {
    'nats-auth-setup': users.keys,
    'shared-creds-copy': users.keys,
    'nats-server': users.broker,
    'nats-accounts-push': users.keys,
    'nats-creds-rotate': users.keys,
    'nats-user-revoke': users.keys,
    'auth-callout': users.callout,
  },
  orchestrator: { 'creds-intake': users.orchestrator, orchestrator: users.orchestrator },
  'host-1': { 'sentinel-intake': users.host, 'host-agent': users.host },
}

/** A certificate for each user of a node: its key can belong to one of them. */
const certificates: Readonly<Record<string, string>> = {
  'nats-accounts-push': 'cert-keys',
  'nats-creds-rotate': 'cert-keys',
  'nats-user-revoke': 'cert-keys',
  'auth-callout': 'cert-callout',
}

const { value } = await loadTopology('nats-orchestrator')
const topology = structuredClone(value) as TopologyDeclaration
for (const [node, units] of Object.entries(runsAs)) {
  for (const [name, user] of Object.entries(units)) {
    const unit = topology.nodes[node]!.units[name]!
    const certificate = certificates[name]
    Object.assign(unit, { user }, certificate && { settings: { ...unit.settings, certificate } })
  }
}
for (const name of new Set(Object.values(certificates))) {
  topology.credentials[name] = { ...topology.credentials['cert-nats-1']! }
}
// As on two hosts that share a folder: its maker's, and read by group.
const handed = topology.credentials['creds-orchestrator']!
handed.handover = { method: 'copy', owner: users.keys, group: users.orchestrator, mode: '0640' }

export default { ...topology, name: 'several-users' }
