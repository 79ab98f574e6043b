import type { Command } from 'commander'
import type { AdminAnswer, StatusAnswer } from '../federation-gateway/wire/admin.ts'
import { reportText } from '../federation-gateway/wire/doctor-text.ts'
import { plainText, textTable } from '../shared/text-table.ts'
import { moment } from './options.ts'
import { addCommand, type Run } from './run.ts'

const MOST_AUDITED = 1_000

export function addStateCommands(root: Command, run: Run): void {
  addCommand(root, 'status', 'how the peers, the audit and the list of revoked certificates are', 'status').action(
    (_, self: Command) =>
      run(self, async (gateway) => {
        const status = await gateway.ask('status:read')
        return { json: status, text: statusText(status) }
      }),
  )
  addCommand(
    root,
    'doctor',
    'look at all that the gateway stands on; ends with 1 where something failed',
    'doctor --json',
  ).action((_, self: Command) =>
    run(self, async (gateway) => {
      const report = await gateway.ask('doctor:run')
      return { json: report, text: reportText(report), exitCode: report.ok ? 0 : 1 }
    }),
  )
  addCommand(
    root,
    'audit',
    'what was asked, by whom, and what came of it, the newest first',
    'audit --since 2026-01-31 --limit 20',
  )
    .option('--grant <id>', 'of this grant alone')
    .option('--peer <id>', 'of this peer alone')
    .option('--since <time>', 'from then on: a day (UTC) or a moment (RFC 3339)', moment)
    .option('--limit <number>', `rows at most, 1 to ${MOST_AUDITED}; default 100`)
    .option('--cursor <cursor>', 'go on where an answer ended')
    .action((query: AuditOptions, self: Command) =>
      run(self, async (gateway) => {
        const answer = await gateway.ask('audit:read', { query })
        return { json: answer, text: auditText(answer) }
      }),
    )
}

interface AuditOptions {
  readonly grant?: string
  readonly peer?: string
  readonly since?: string
  readonly limit?: string
  readonly cursor?: string
}

function auditText({ items, nextCursor }: AdminAnswer<'audit:read'>): string {
  if (items.length === 0) return 'nothing is on record'
  const rows = items.map((row) => {
    const { at, direction, verb, resource, outcome, status, reason, grantId, rowsOut } = row
    return [
      at,
      direction,
      verb,
      resource ?? '',
      outcome,
      String(status ?? ''),
      reason ?? '',
      grantId ?? '',
      String(rowsOut ?? ''),
    ]
  })
  const table = textTable(['at', 'direction', 'verb', 'resource', 'outcome', 'status', 'reason', 'grant', 'rows'], rows)
  return nextCursor === null ? table : `${table}\nmore: --cursor ${plainText(nextCursor)}`
}

function statusText(status: StatusAnswer): string {
  const { tier, publicName, peers, grants, unfinished, revocations, audit, crl, alerts } = status
  const counts = Object.entries(grants).map(([name, count]) => `${count} ${name}`)
  const lines = [
    `gateway      ${publicName}, tier ${tier}`,
    `grants       ${counts.length === 0 ? 'none' : counts.join(', ')}`,
    `revocations  ${revocations.queued} wait for the CA${because(revocations.lastFailure)}`,
    `crl          ${crl === null ? 'none' : `${Math.round(crl.ageSeconds)} s old, good until ${crl.nextUpdate}${because(crl.failure)}`}`,
    `audit        ${audit.queued} rows wait, ${audit.dropped} were dropped, ${audit.refilled} found again, ${audit.rejected} refused${
      audit.failingSince === null ? '' : `; nothing stored since ${audit.failingSince}`
    }`,
    ...unfinished.map(
      ({ grantId, at, reason }) => `! grant ${grantId} needs a new token: its last one was used at ${at} (${reason})`,
    ),
    ...alerts.map((alert) => `! ${alert}`),
  ]
  return [lines.map(plainText).join('\n'), ...(peers.length === 0 ? [] : [peersText(peers)])].join('\n\n')
}

function because(failure: string | null): string {
  return failure === null ? '' : ` (${failure})`
}

function peersText(peers: StatusAnswer['peers']): string {
  const rows = peers.map((peer) => [
    ...[peer.id, peer.direction, peer.commonName, peer.state, peer.certificateExpiresAt ?? ''],
    ...[
      peer.lastSuccessAt ?? '',
      peer.lastFailureAt === null ? '' : `${peer.lastFailureAt} ${peer.lastFailureReason ?? ''}`,
    ],
    ...[peer.circuit ?? '', peer.renewal?.nextAt ?? '', peer.alerts.join(', ')],
  ])
  const header = [
    'id',
    'direction',
    'common name',
    'state',
    'expires',
    'last success',
    'last failure',
    'circuit',
    'renewal',
    'alerts',
  ]
  return textTable(header, rows)
}
