import { createHash } from 'node:crypto'
import { lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { guard, type Refusal } from '../guard.ts'
import { type CredsDemand, modeText, userOf } from './creds-demand.ts'
import { ownerProblem } from './creds-folder-guards.ts'
import { type Creds, readCreds } from './creds-text.ts'
import type { Manifest, ManifestFile } from './manifest.ts'
import { openPlain } from './plain-file.ts'
import { USERS } from './roles.ts'

/** One file of credentials as it is judged. It is opened once: what was judged is what is used. */
export interface FileContext {
  readonly demand: CredsDemand
  readonly manifest: Manifest
  readonly entry: ManifestFile
  readonly file: OpenedFile | undefined
  /** Why it cannot be opened: `ENOENT`, `ELOOP`, `EACCES`, … */
  readonly problem?: string
  found?: string
}

export interface OpenedFile {
  readonly stats: Stats
  readonly text: string
  readonly creds: Creds | undefined
}

export function openCreds(path: string): Pick<FileContext, 'file' | 'problem'> {
  const { file, problem } = openPlain(path)
  if (file === undefined) return { file, problem }
  const { stats, text = '' } = file
  return { file: { stats, text, creds: readCreds(text) } }
}

function refused(context: FileContext, reason: string, found: string): Refusal {
  const { demand, entry } = context
  context.found = `${join(demand.folder, entry.name)} ${found}`
  return { reason, status: null }
}

export const credsFile = guard<FileContext>(
  'creds.file',
  ['file_link_count', 'file_owner_invalid', 'file_mode_invalid', 'file_empty', 'digest_mismatch'],
  (context) => {
    const { demand, entry, file, problem } = context
    if (problem === 'ENOENT') return refused(context, 'file_empty', 'is not there; hand over all anew')
    if (problem === 'EACCES') {
      const owner = ownerOfUnreadable(context)
      if (owner !== undefined) return refused(context, 'file_owner_invalid', `${owner}; chown it`)
      return refused(context, 'file_mode_invalid', 'cannot be read; hand it over to our group')
    }
    if (file === undefined || !file.stats.isFile()) {
      return refused(context, 'file_link_count', `is no plain file (${problem ?? 'of another sort'}); hand over a file`)
    }
    const { stats, text } = file
    if (stats.nlink !== 1) return refused(context, 'file_link_count', `has ${stats.nlink} names; hand it over anew`)
    const owner = ownerProblem(stats, demand.uid, demand.gid)
    if (owner !== undefined) return refused(context, 'file_owner_invalid', `${owner}; chown it`)
    if ((stats.mode & 0o7777) !== demand.fileMode) {
      const is = `has mode ${modeText(stats.mode)}; chmod it to ${modeText(demand.fileMode)}`
      return refused(context, 'file_mode_invalid', is)
    }
    if (stats.size === 0) return refused(context, 'file_empty', 'is empty; hand it over anew')
    const isSame = stats.size === entry.size && createHash('sha256').update(text).digest('hex') === entry.sha256
    return isSame
      ? undefined
      : refused(context, 'digest_mismatch', 'is not the file that the manifest names; hand over all anew')
  },
)

/** What is wrong with the owner of a file that we may not open. */
function ownerOfUnreadable({ demand, entry }: FileContext): string | undefined {
  const stats = lstatSync(join(demand.folder, entry.name), { throwIfNoEntry: false })
  return stats && ownerProblem(stats, demand.uid, demand.gid)
}

export const credsForm = guard<FileContext>('creds.form', ['creds_malformed'], (context) =>
  context.file?.creds === undefined
    ? refused(context, 'creds_malformed', 'is no credentials file of a user; make it anew, and hand it over')
    : undefined,
)

/** The name of a file proves nothing: what stands in it must be the user that the manifest and our roles say. */
export const credsClaims = guard<FileContext>(
  'creds.claims',
  ['creds_user_mismatch', 'creds_account_mismatch', 'creds_unscoped', 'creds_bearer', 'operator_changed'],
  (context) => {
    const { demand, manifest, entry, file } = context
    const claims = file?.creds?.claims
    if (claims === undefined) return refused(context, 'creds_user_mismatch', 'names no user; make it anew')
    const { user } = entry
    if (user.name !== userOf(entry) || claims.name !== user.name || claims.sub !== user.key) {
      const is = `is for "${claims.name}" with key ${short(claims.sub)}, and must be for "${userOf(entry)}" with key ${short(user.key)}`
      return refused(context, 'creds_user_mismatch', `${is}; hand over the right one`)
    }
    const account = claims.nats.issuer_account ?? claims.iss
    if (account !== user.account) {
      const is = `is of account ${short(account)}, and must be of ${short(user.account)}; hand over the right one`
      return refused(context, 'creds_account_mismatch', is)
    }
    // By our own table: whoever writes the manifest must not be the one to say whether a role is needed.
    const { role } = USERS[user.name]
    if (claims.iss !== user.signer || claims.iss === account || (role !== undefined && !isScoped(claims))) {
      const key = role === undefined ? `key ${short(user.signer)} of its account` : `key of role ${role}`
      return refused(context, 'creds_unscoped', `was not issued by the ${key}; make it with that key`)
    }
    if (claims.nats.bearer_token === true) {
      return refused(context, 'creds_bearer', 'works without its seed; make one that does not')
    }
    const other = otherOperator(demand, manifest, entry)
    return other === undefined
      ? undefined
      : refused(context, 'operator_changed', `cannot be used: ${other}; remove what is installed if that is right`)
  },
)

/** The manifest only claims an operator. Its accounts stay as well: with another one's key nobody can sign for them. */
function otherOperator({ installed }: CredsDemand, { operator }: Manifest, { user }: ManifestFile): string | undefined {
  if (installed === undefined) return undefined
  if (installed.operator !== operator) {
    return `the operator is ${short(operator)}, and was ${short(installed.operator)}`
  }
  const before = installed.files.find(({ user: { name } }) => name === user.name)?.user.account
  if (before === undefined || before === user.account) return undefined
  return `the account of ${user.name} is ${short(user.account)}, and was ${short(before)}`
}

/** What permissions and limits it has stands with the signing key, and nowhere else. */
function isScoped({ nats }: { nats: Readonly<Record<string, unknown>> }): boolean {
  const isEmpty = (value: unknown): boolean =>
    value === undefined || value === 0 || value === false || (typeof value === 'object' && isBare(value))
  const own = ['pub', 'sub', 'resp', 'subs', 'data', 'payload', 'src', 'times', 'allowed_connection_types']
  return own.every((name) => isEmpty(nats[name]))
}

/** `{}`, `[]`, null: members that say nothing. */
function isBare(value: object | null): boolean {
  return value === null || Object.keys(value).length === 0
}

/** Clocks of two hosts may differ by so much. */
const SKEW_SECONDS = 60

export const credsTime = guard<FileContext>('creds.time', ['creds_expired', 'creds_not_yet_valid'], (context) => {
  const claims = context.file?.creds?.claims
  const now = context.demand.now() / 1000
  if (claims?.exp !== undefined && claims.exp <= now) {
    return refused(context, 'creds_expired', `ended at ${iso(claims.exp)}; have new ones handed over`)
  }
  const from = Math.max(claims?.nbf ?? 0, claims?.iat ?? 0)
  if (from <= now + SKEW_SECONDS) return undefined
  return refused(context, 'creds_not_yet_valid', `begins at ${iso(from)}; set the clocks of both hosts`)
})

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}

/** Enough to find a key by. */
function short(key: string): string {
  return key.slice(0, 8)
}
