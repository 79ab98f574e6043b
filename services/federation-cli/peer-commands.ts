import type { Command } from 'commander'
import type { ListedCertificate, PeerAnswer } from '../federation-gateway/wire/admin.ts'
import { inColumns, textTable } from '../shared/text-table.ts'
import { allOf } from './gateway.ts'
import { addCommand, type Run } from './run.ts'

const ID = '1f0c2a9e-8a57-4d0e-9a68-3f1f0a1c6b11'

export function addPeerCommands(root: Command, run: Run): void {
  const peer = root.command('peer').description('gateways that may ask ours, and gateways that ours asks')
  addCommand(peer, 'register', 'let a gateway be given grants, by its common name', 'peer register gateway-a.example')
    .argument('<common-name>', 'DNS name in lower case, as it enrols and calls')
    .action((commonName: string, _, self: Command) =>
      run(self, async (gateway) => shownPeer(await gateway.ask('peer:register', { body: { commonName } }))),
    )
  addCommand(peer, 'list', 'all peers, the newest first', 'peer list').action((_, self: Command) =>
    run(self, async (gateway) => {
      const peers = await allOf(gateway, 'peer:list')
      return { json: { peers }, text: peersText(peers) }
    }),
  )
  addCommand(peer, 'show', 'one peer with its certificates', `peer show ${ID}`)
    .argument('<id>')
    .action((id: string, _, self: Command) =>
      run(self, async (gateway) => shownPeer(await gateway.ask('peer:show', { parameters: { id } }))),
    )
  addCommand(peer, 'renew', 'have a new certificate for a peer that ours asks, now', `peer renew ${ID}`)
    .argument('<id>')
    .action((id: string, _, self: Command) =>
      run(self, async (gateway) => shownPeer(await gateway.ask('peer:renew', { parameters: { id } }))),
    )
  addCommand(peer, 'remove', 'end a peer: its grants are revoked, or our keys for it are gone', `peer remove ${ID}`)
    .argument('<id>')
    .action((id: string, _, self: Command) =>
      run(self, async (gateway) => {
        const removed = await gateway.ask('peer:remove', { parameters: { id } })
        return { json: removed, text: `${removed.direction} peer ${removed.id} is ${removed.state}` }
      }),
    )
  addAdd(peer, run)
}

/** What `peer add` was told. */
export interface AddOptions {
  readonly for?: string
  readonly ca?: string
  readonly invitation?: string
  readonly resume?: string
  readonly certificate?: string
}

function addAdd(peer: Command, run: Run): void {
  addCommand(
    peer,
    'add',
    'enrol our gateway with another one, so that a user of ours can ask it',
    'peer add --invitation ./invitation.json --for alice',
    `peer add --resume ${ID} --certificate ./peer-${ID}.pem`,
  )
    .argument(
      '[enrolment-url]',
      'from federation grant token; - reads it from standard input, where nobody else sees it',
    )
    .option('--invitation <file>', 'file (0600) of federation grant token --out, instead of a URL')
    .option('--for <user>', 'who will ask, by name or id; may be left out when the tenant has one user')
    .option('--ca <file>', 'PEM file with the root of the other gateway; default: that of the invitation, else our own')
    .option('--resume <id>', 'go on with a peer that was begun')
    .option('--certificate <file>', 'with --resume: the certificate that was kept')
    .action((url: string | undefined, options: AddOptions, self: Command) =>
      run(self, async (gateway) => (await import('./peer-add.ts')).addPeer(gateway, { ...options, url })),
    )
}

export function shownPeer(peer: PeerAnswer) {
  const members = Object.entries(peer).flatMap(([name, value]) =>
    value === null || typeof value === 'object' ? [] : [[name, String(value)]],
  )
  const certificates = peer.certificates.length === 0 ? 'no certificate' : certificatesText(peer.certificates)
  return { json: peer, text: `${inColumns(members)}\n\n${certificates}` }
}

function peersText(peers: readonly PeerAnswer[]): string {
  if (peers.length === 0) return 'there is no peer'
  const rows = peers.map(({ id, direction, commonName, state, certificates }) => {
    const last = certificates[0]
    return [id, direction, commonName, state, last?.['x5t#S256'] ?? '', last?.serial ?? '', last?.notAfter ?? '']
  })
  return textTable(['id', 'direction', 'common name', 'state', 'x5t#S256', 'serial', 'expires'], rows)
}

export function certificatesText(certificates: readonly ListedCertificate[]): string {
  const rows = certificates.map((one) => [one['x5t#S256'], one.serial, one.state, one.notAfter, one.grantId ?? ''])
  return textTable(['x5t#S256', 'serial', 'state', 'expires', 'grant'], rows)
}
