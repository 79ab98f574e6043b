import type { Command } from 'commander'
import type { GrantAnswer, GrantSummary } from '../federation-gateway/wire/admin.ts'
import { inColumns, plainText, textTable } from '../shared/text-table.ts'
import { readJsonFile } from './config.ts'
import { allOf, type Gateway } from './gateway.ts'
import { writeInvitation } from './invitation.ts'
import { moment, wholeNumber } from './options.ts'
import { certificatesText } from './peer-commands.ts'
import { grantId, inboundPeerId, userId } from './resolve.ts'
import { revokeGrant } from './revoke-grant.ts'
import { addCommand, note, type Run, type Shown } from './run.ts'

const ID = '7d9c1b52-3c55-4f5e-8f0a-52f2d7a1c0de'

export function addGrantCommands(root: Command, run: Run): void {
  const grant = root.command('grant').description('what is lent to whom')
  addCreate(grant, run)
  addCommand(grant, 'list', 'all grants, the newest first', 'grant list --peer gateway-a.example --status active')
    .option('--peer <peer>', 'of this peer alone, by common name or id')
    .option('--status <status>', 'pending, active, revoked or expired')
    .action((given: { peer?: string; status?: GrantSummary['status'] }, self: Command) =>
      run(self, async (gateway) => {
        const peer = given.peer === undefined ? undefined : await inboundPeerId(gateway, given.peer)
        const grants = await allOf(gateway, 'grant:list', { peer, status: given.status })
        return { json: { grants }, text: grantsText(grants) }
      }),
    )
  addCommand(grant, 'show', 'one grant: what it comes to, and its certificates', `grant show ${ID}`)
    .argument('<id>', 'of the grant, or PEER/USER')
    .action((id: string, _, self: Command) =>
      run(self, async (gateway) => {
        return shownGrant(await gateway.ask('grant:show', { parameters: { id: await grantId(gateway, id) } }))
      }),
    )
  addCommand(grant, 'scope', 'put another scope in place of the one it has', `grant scope ${ID} --scope ./scope-b.json`)
    .argument('<id>', 'of the grant, or PEER/USER')
    .requiredOption('--scope <file>', 'JSON file with the scope document')
    .option('--allow-sensitive', 'lend resources that nobody should lend unawares')
    .action((id: string, { scope, allowSensitive }: ScopeOptions, self: Command) =>
      run(self, async (gateway) => {
        const body = { scope: readJsonFile(scope, 'scope'), allowSensitive }
        return shownGrant(await gateway.ask('grant:scope', { parameters: { id: await grantId(gateway, id) }, body }))
      }),
    )
  addCommand(
    grant,
    'revoke',
    'end a grant for ever; waits until its certificates are refused at TLS, too',
    `grant revoke ${ID} --reason "left us"`,
  )
    .argument('<id>', 'of the grant, or PEER/USER')
    .option('--reason <text>', 'for the record')
    .option('--no-wait', 'do not wait: requests are refused from the answer on')
    .action((id: string, given: { reason?: string; wait: boolean }, self: Command) =>
      run(self, async (gateway) => {
        const { grant: revoked, pending } = await revokeGrant(gateway, { ...given, id: await grantId(gateway, id) })
        if (pending !== undefined) note(pending)
        return { ...shownGrant(revoked), exitCode: pending === undefined ? 0 : 1 }
      }),
    )
  addToken(grant, run)
}

interface ScopeOptions {
  readonly scope: string
  readonly allowSensitive?: true
}

interface CreateOptions extends ScopeOptions {
  readonly user: string
  readonly peer: string
  readonly expires?: string
  readonly rateLimit?: number
}

function addCreate(grant: Command, run: Run): void {
  addCommand(
    grant,
    'create',
    'lend what one of our users may see, or less, to a peer; prints what that comes to',
    'grant create --user alice --peer gateway-a.example --scope ./scope-a.json --expires 2026-12-31',
  )
    .requiredOption('--user <user>', 'whose rights are lent, by name or id')
    .requiredOption('--peer <peer>', 'to whom, by common name or id')
    .requiredOption('--scope <file>', 'JSON file with the scope document')
    .option('--expires <time>', 'when it ends: a day (UTC) or a moment (RFC 3339)', moment)
    .option('--rate-limit <number>', 'requests in 60 s, 1 to 6000', wholeNumber(1, 6_000))
    .option('--allow-sensitive', 'lend resources that nobody should lend unawares')
    .action((given: CreateOptions, self: Command) =>
      run(self, async (gateway) => {
        const scope = readJsonFile(given.scope, 'scope')
        const made = await gateway.ask('grant:create', {
          body: {
            ...{ peerId: await inboundPeerId(gateway, given.peer), subjectUserId: await userId(gateway, given.user) },
            ...{ scope, expiresAt: given.expires, rateLimit: given.rateLimit, allowSensitive: given.allowSensitive },
          },
        })
        return shownGrant(made)
      }),
    )
}

interface TokenOptions {
  readonly ttl?: number
  readonly reEnrol?: true
  readonly out?: string
}

function addToken(grant: Command, run: Run): void {
  addCommand(
    grant,
    'token',
    'make an enrolment token: whoever has it can call as the peer, once, so hand it over with care',
    `grant token ${ID} --out ./invitation.json`,
  )
    .argument('<id>', 'of the grant, or PEER/USER')
    .option('--ttl <seconds>', 'for how long it is good, 1 to 900; default 900', wholeNumber(1, 900))
    .option('--re-enrol', 'for a grant that is active: its certificates are revoked by the enrolment')
    .option('--out <file>', 'write an invitation (0600) instead of showing it: with the URL, and the root of our CA')
    .action((id: string, given: TokenOptions, self: Command) => run(self, (gateway) => makeToken(gateway, id, given)))
}

async function makeToken(gateway: Gateway, said: string, { ttl, reEnrol, out }: TokenOptions): Promise<Shown> {
  const id = await grantId(gateway, said)
  const body = { ttlSeconds: ttl, ...(reEnrol === true && { purpose: 're-enrolment' as const }) }
  const ask = () => gateway.ask('grant:token', { parameters: { id }, body })
  if (out !== undefined) {
    const { expiresAt } = await writeInvitation(out, ask)
    const text = `${out} is an invitation, good until ${expiresAt}; bring it to the other gateway where nobody else can read it`
    return { json: { out, expiresAt }, text: `${text}:\n  $ federation peer add --invitation ${out}` }
  }
  const made = await ask()
  const rows = [
    ['token', made.token],
    ['url', made.enrollmentUrl],
    ['good until', made.expiresAt],
  ]
  return { json: made, text: `${inColumns(rows)}\n\nIt is shown this once.` }
}

export function shownGrant(grant: GrantAnswer): Shown {
  const { effectiveScope, warnings, certificates, scope, ...members } = grant
  const rows = Object.entries(members).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]))
  const parts = [
    inColumns(rows),
    [effectiveScope, ...warnings.map((warning) => `! ${warning}`)].map(plainText).join('\n'),
    ...(certificates.length === 0 ? [] : [certificatesText(certificates)]),
  ]
  return { json: grant, text: parts.join('\n\n') }
}

function grantsText(grants: readonly GrantSummary[]): string {
  if (grants.length === 0) return 'there is no grant'
  const rows = grants.map(({ id, peerId, subjectUserId, status, scope, expiresAt }) => {
    return [id, status, peerId, subjectUserId, scope.resources.join(','), expiresAt ?? 'never']
  })
  return textTable(['id', 'status', 'peer', 'user', 'resources', 'expires'], rows)
}
