import { Agent, get } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { readUser } from '../shared/nats/creds-text.ts'
import type { Over, Shown } from './judge.ts'

/** On a busy machine an answer takes long, and what is not known of an end is not written down. */
const WITHIN_MS = 10_000
/** Each login is asked about several times. Those that wait for the next one keep no process alive. */
const connections = new Agent({ keepAlive: true })

interface Entry {
  readonly account?: string
  readonly authorized_user?: string
  readonly reason?: string
  readonly jwt?: string
  readonly tls_peer_certs?: readonly { readonly cert_sha256: string }[]
}

/**
 * Asks a broker about one of its connections, at its monitoring port, which is for this host alone. `endedAt`: when it ended by the log of
 * the broker, epoch ms.
 */
export async function shownAt(monitoring: string, cid: number, endedAt?: number): Promise<Shown | undefined> {
  const entry = await entryAt(monitoring, cid, endedAt)
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
  const { jwt = '', account = '' } = (await entryAt(monitoring, cid, at)) ?? {}
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

/**
 * The broker writes that a connection is closed, takes it from those that are open, and has another thread put it among those that are closed: in
 * between it shows none, on a busy machine for some time.
 */
const BETWEEN_WITHIN_MS = 5_000
const BETWEEN_EVERY_MS = 10

async function entryAt(monitoring: string, cid: number, endedAt = 0): Promise<Entry | undefined> {
  const path = `/connz?auth=1&state=all&cid=${cid}`
  for (;;) {
    const { connections = [] } = await ask<{ connections?: Entry[] }>(monitoring, path)
    if (connections[0] !== undefined || Date.now() - endedAt > BETWEEN_WITHIN_MS) return connections[0]
    await setTimeout(BETWEEN_EVERY_MS)
  }
}

async function ask<Answer>(monitoring: string, path: string): Promise<Answer> {
  const url = new URL(path, monitoring)
  const { status, body } = await asked(url)
  if (status !== 200) throw new Error(`${url.origin} answered ${status}`)
  return JSON.parse(body) as Answer
}

function asked(url: URL): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: connections, signal: AbortSignal.timeout(WITHIN_MS) }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject)
    })
    request.once('error', (failure: NodeJS.ErrnoException) => {
      // The broker was started anew since that connection was made.
      if (request.reusedSocket && failure.code === 'ECONNRESET') resolve(asked(url))
      else reject(failure)
    })
  })
}
