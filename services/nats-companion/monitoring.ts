import { readUser } from '../shared/nats/creds-text.ts'
import type { Over, Shown } from './judge.ts'

const WITHIN_MS = 2_000

interface Entry {
  readonly account?: string
  readonly authorized_user?: string
  readonly reason?: string
  readonly jwt?: string
  readonly tls_peer_certs?: readonly { readonly cert_sha256: string }[]
}

/** Asks a broker about one of its connections, at its monitoring port, which is for this host alone. */
export async function shownAt(monitoring: string, cid: number): Promise<Shown | undefined> {
  const entry = await entryAt(monitoring, cid)
  if (entry === undefined) return undefined
  const [leaf] = entry.tls_peer_certs ?? []
  return {
    account: entry.account,
    user: entry.authorized_user,
    // RFC 8705 section 3.1: the same digest, in another writing.
    thumbprint: leaf && Buffer.from(leaf.cert_sha256, 'hex').toString('base64url'),
    reason: entry.reason,
  }
}

/** Why the user that a connection logged in as was good no longer at a time, by what the broker knows now of his account. */
export async function overAt(monitoring: string, cid: number, at: number): Promise<Over | undefined> {
  const { jwt = '', account = '' } = (await entryAt(monitoring, cid)) ?? {}
  const user = readUser(jwt)
  if (user === undefined) return undefined
  if (user.exp !== undefined && user.exp * 1_000 <= at) return 'nats_jwt_expired'
  const { account_detail } = await ask<Account>(monitoring, `/accountz?acc=${encodeURIComponent(account)}`)
  const revoked = [user.sub, EVERYBODY].map((key) => Date.parse(account_detail?.revoked_user?.[key] ?? ''))
  return revoked.some((time) => user.iat * 1_000 <= time) ? 'nats_user_revoked' : undefined
}

/** The key of a revocation that is of no single user. */
const EVERYBODY = '*'

interface Account {
  readonly account_detail?: { readonly revoked_user?: Readonly<Record<string, string>> }
}

async function entryAt(monitoring: string, cid: number): Promise<Entry | undefined> {
  const path = `/connz?auth=1&state=all&cid=${cid}`
  const { connections = [] } = await ask<{ connections?: Entry[] }>(monitoring, path)
  return connections[0]
}

async function ask<Answer>(monitoring: string, path: string): Promise<Answer> {
  const url = new URL(path, monitoring)
  const answer = await fetch(url, { signal: AbortSignal.timeout(WITHIN_MS) })
  if (!answer.ok) throw new Error(`${url.origin} answered ${answer.status}`)
  return (await answer.json()) as Answer
}
