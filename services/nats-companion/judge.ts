import type { Decision } from '../shared/decision-log.ts'
import { LastWords } from './last-words.ts'
import type { ClientLine } from './log-line.ts'
import { ENDED, type Guard, LOGIN, meaning, NOISE, type Reason, TLS, TURNED_AWAY } from './table.ts'

/** What the broker itself shows of a connection. */
export interface Shown {
  /** Public key of the account that it is in now. */
  readonly account?: string | undefined
  /** As whom it is let in: the key of a user, or the name that a callout gave him. */
  readonly user?: string | undefined
  /** `x5t#S256` of the client's certificate, as long as the connection is there. */
  readonly thumbprint?: string | undefined
  /** Why it was closed; absent while it is open. */
  readonly reason?: string | undefined
}

export type Over = Extract<Reason, 'nats_jwt_expired' | 'nats_user_revoked'>

/** A program that the broker asks about logins, with the account whose users it is asked about. */
export interface Callout {
  readonly account: string
  /** Users of that account who are let in without it. */
  readonly users: readonly string[]
  /** What it wrote down first of a login by the connection of that number, not before it began, nor after `until`; epoch ms. */
  decided(login: {
    cid: number
    began: number
    until?: number
  }): Promise<Pick<Decision, 'verdict' | 'guard' | 'reason' | 'principal'> | undefined>
}

export interface Means {
  readonly listener: string
  readonly callout?: Callout | undefined
  /** What the broker shows of a connection, which ended then by its log, if it did; undefined where it knows none of that number. */
  shown(cid: number, endedAt?: number): Promise<Shown | undefined>
  /** Why the credentials are good no longer that a connection logged in with; undefined where they are, or where nobody knows. */
  over(cid: number, at: number): Promise<Over | undefined>
  /** Whether all that follows from a line as it is heard is written down already. */
  isHeardBefore?(line: number): boolean
  /** `line`: number of the line from which it follows. `by`: who decided, if not the broker. */
  record(decision: Decision, line: number, by?: 'callout'): void
}

/** Whom the JWT of a login names, once the broker has found it good. */
interface User {
  /** Number of the line that says so. */
  readonly line: number
  /** Public key, as that of the account. */
  readonly user: string
  readonly name: string
  readonly account: string
  readonly accountName: string
}

/** A connection, from the line in which it begins to the one in which it ends. */
interface Connection {
  readonly conn: string
  readonly began: number
  user?: User
  /** When it was first shown as one that is there, on the clock of the process; what was written until a while later is read before that is believed. */
  seenAt?: number
  /** Of whoever is in. */
  principal?: Readonly<Record<string, string>>
  /** Why it will be refused, or ended. */
  refusal?: Reason | undefined
  /** Why the broker said that it ends it. */
  lastWords?: Reason | undefined
  /** The first line that is not in the table. */
  unknown?: string | undefined
  /** Its handshake came to nothing. */
  isUnshaken?: boolean
  isRefused?: boolean
}

type Refusal = Pick<Decision, 'layer'> &
  Partial<Pick<Decision, 'action' | 'error' | 'target' | 'principal'>> & {
    guard: Guard | (string & {})
    reason: string
  }

const login = {
  layer: 'broker',
  action: 'nats:login',
  error: 'Authorization Violation',
  guard: 'broker.login',
} as const
/** For a broker that was interrupted between two lines to write the second: whom it shows it may refuse yet. */
const BELIEVED_AFTER_MS = 20
const quoted = '"((?:[^"\\\\]|\\\\.)*)"'
const authenticated = new RegExp(
  `^Authenticated JWT: Client "(\\w+)" \\(claim-name: ${quoted}.*? by Account "(\\w+)" \\(claim-name: ${quoted}`,
)
const denied = new RegExp(`^(Publish|Subscription) Violation - (Subject|Reply) ${quoted}(?:, Queue: ${quoted})?`)

/**
 * Reads what a broker writes about its clients, line by line in order, and writes down what it decided. A login is an accept only once
 * the broker shows that the connection is in: the line in which it finds the JWT good comes before it asks a callout, and before it
 * looks at the rest of the login.
 */
export class Judge {
  readonly #means: Means
  readonly #open = new Map<number, Connection>()
  readonly #lastWords = new LastWords()

  constructor(means: Means) {
    this.#means = means
  }

  async heard(line: ClientLine): Promise<void> {
    const { cid, text } = line
    if (text === 'Client connection created') {
      this.#open.set(cid, { conn: line.conn, began: line.at })
      return
    }
    const connection = this.#open.get(cid)
    // It has ended: the broker adds a line now and then.
    if (connection === undefined || connection.conn !== line.conn) return
    const [, ended] = /^Client connection closed: (.*?)(?: - .*)?$/.exec(text) ?? []
    if (ended !== undefined) {
      this.#open.delete(cid)
      if (!this.#means.isHeardBefore?.(line.number)) await this.#closed(connection, ended, line)
      return
    }
    connection.lastWords ??= this.#lastWords.heard(text, accountOf(connection), line.at)
    // Only whoever is in can be denied something.
    if (denied.test(text)) await this.#enter(connection, cid)
    if (connection.principal !== undefined) this.#saidOfOneWhoIsIn(connection, line)
    else await this.#saidBefore(connection, line)
  }

  /** Whether there are logins of which nothing was written yet; `look` is called until there are none. */
  get isWaiting(): boolean {
    return [...this.#open.values()].some(isWaiting)
  }

  /** Looks whether those are in, once all that is there was heard. `now`: on the clock of the process. */
  async look(now = performance.now()): Promise<void> {
    for (const [cid, connection] of this.#open) {
      if (!isWaiting(connection)) continue
      if (connection.seenAt === undefined) {
        if ((await this.#means.shown(cid)) !== undefined) connection.seenAt = now
      } else if (now - connection.seenAt >= BELIEVED_AFTER_MS) await this.#enter(connection, cid)
    }
  }

  async #saidBefore(connection: Connection, line: ClientLine): Promise<void> {
    const { text } = line
    const [, user, name, account, accountName] = authenticated.exec(text) ?? []
    const [, error] = /^TLS handshake error: (.*)$/.exec(text) ?? []
    if (user !== undefined) {
      connection.user = { line: line.number, user, name: name!, account: account!, accountName: accountName! }
    } else if (error !== undefined) this.#unshaken(connection, error, line)
    else if (isAuthenticationError(text)) await this.#loginRefused(connection, line)
    else if (connection.lastWords === undefined && !NOISE.test(text)) {
      connection.refusal ??= meaning(LOGIN, text)
      if (connection.refusal === undefined) connection.unknown ??= text
    }
  }

  #unshaken(connection: Connection, error: string, line: ClientLine): void {
    const reason = meaning(TLS, `: ${error}`)
    connection.isUnshaken = true
    if (reason === undefined) this.#unmapped(connection, line, null)
    else if (reason !== null) this.#refused(connection, line, { layer: 'tls', guard: 'broker.tls', reason })
  }

  async #loginRefused(connection: Connection, line: ClientLine): Promise<void> {
    const { refusal, unknown, user } = connection
    if (refusal !== undefined) this.#refused(connection, line, { ...login, reason: refusal })
    else if (unknown !== undefined) this.#unmapped(connection, line, login.error)
    else if (this.#isDeferred(connection)) {
      const decided = await this.#means.callout?.decided({ cid: line.cid, began: connection.began, until: line.at })
      if (decided?.verdict !== 'refused') {
        this.#refused(connection, line, { ...login, guard: 'broker.callout', reason: 'callout_timeout' })
        return
      }
      // What failed inside has no guard of its own.
      const { guard, reason, principal } = decided
      const refusal = { ...login, guard: guard ?? 'broker.callout', reason: reason!, principal }
      this.#refused(connection, line, refusal, 'callout')
    } else {
      // The JWT was good, so it was an account that the login names beside it. Without one, something else was said first.
      this.#refused(connection, line, { ...login, reason: user ? 'nats_account_named' : 'nats_login_missing' })
    }
  }

  /** Writes down that somebody is in, if the broker shows that he is. */
  async #enter(connection: Connection, cid: number, endedAt?: number): Promise<void> {
    const { user, conn, began } = connection
    if (user === undefined || connection.principal !== undefined) return
    const shown = await this.#means.shown(cid, endedAt)
    if (shown === undefined || shown.reason === 'Authentication Failure') return
    const isDeferred = this.#isDeferred(connection)
    if (isDeferred && (shown.account ?? user.account) === user.account) return
    const proven = isDeferred ? (await this.#means.callout?.decided({ cid, began }))?.principal : undefined
    connection.principal = {
      ...proven,
      ...{ user: user.user, name: (isDeferred && shown.user) || user.name, account: shown.account ?? user.account },
      ...(shown.thumbprint && { 'x5t#S256': shown.thumbprint }),
    }
    connection.unknown = undefined
    const decision: Decision = {
      ...{ conn, listener: this.#means.listener, requestId: `cid-${cid}`, action: login.action, verdict: 'accepted' },
      ...{ layer: login.layer, status: null, error: null, guard: null, reason: null, target: '' },
      ...{ principal: connection.principal, ms: Math.max(0, Date.now() - began) },
    }
    this.#means.record(decision, user.line)
  }

  #saidOfOneWhoIsIn(connection: Connection, line: ClientLine): void {
    const { text, level } = line
    const refusal = denialIn(text)
    if (refusal !== undefined) this.#refused(connection, line, refusal)
    // Of somebody who is looked at again, since the configuration or his account is another one.
    else connection.refusal ??= meaning(LOGIN, text)
    const isTelling = level === 'ERR' && !NOISE.test(text) && !isAuthenticationError(text)
    if (isTelling && refusal === undefined) connection.unknown ??= text
  }

  async #closed(connection: Connection, ended: string, line: ClientLine): Promise<void> {
    const isTurnedAway = meaning(ENDED, ended) === undefined && meaning(TURNED_AWAY, ended) !== undefined
    if (isWaiting(connection) && !isTurnedAway) await this.#enter(connection, line.cid, line.at)
    if (connection.isRefused || connection.isUnshaken) return
    const isIn = connection.principal !== undefined
    // Of somebody who is in, what was said of his login when it was looked at again.
    const said =
      connection.lastWords ??
      (isIn ? (connection.refusal ?? (await this.#unwritten(connection, ended, line))) : undefined)
    const known = said ?? meaning(isIn ? ENDED : TURNED_AWAY, ended)
    const isNobodys = known === null && connection.unknown === undefined
    if (isNobodys) return
    if (!known) this.#unmapped(connection, line, null)
    else if (isIn) {
      const end = { layer: 'session', guard: 'broker.session', action: 'nats:session' } as const
      this.#refused(connection, line, { ...end, reason: known })
    } else this.#refused(connection, line, { ...login, error: null, reason: known })
  }

  /** Why somebody who was in was put out, where that was written of another only. */
  async #unwritten(connection: Connection, ended: string, { cid, at }: ClientLine): Promise<Reason | undefined> {
    const known = this.#lastWords.unwritten(ended, accountOf(connection), at)
    // He closed it himself, and may have been told before. What he showed is not what another program let him in with.
    const isAsked = known === undefined && meaning(ENDED, ended) === null && !this.#isDeferred(connection)
    const mayBeTold = (['nats_jwt_expired', 'nats_user_revoked'] as const).some((reason) =>
      this.#lastWords.mayBeUnwritten(reason, at),
    )
    if (!isAsked || !mayBeTold) return known
    const over = await this.#means.over(cid, at)
    return over !== undefined && this.#lastWords.mayBeUnwritten(over, at) ? over : undefined
  }

  /** Whether another program decides about this login. */
  #isDeferred({ user }: Connection): boolean {
    const { callout } = this.#means
    return user !== undefined && user.accountName === callout?.account && !callout.users.includes(user.name)
  }

  #unmapped(connection: Connection, line: ClientLine, error: string | null): void {
    const unmapped = { layer: 'broker', guard: 'broker.unmapped', reason: 'nats_unmapped' } as const
    this.#refused(connection, line, { ...unmapped, error, target: connection.unknown ?? line.text })
  }

  #refused(connection: Connection, { number, cid, at }: ClientLine, refusal: Refusal, by?: 'callout'): void {
    const { conn, began, principal = {} } = connection
    // Whoever is denied one thing stays, and may be denied another.
    connection.isRefused = refusal.guard !== 'broker.permission'
    const decision: Decision = {
      ...{ conn, listener: this.#means.listener, requestId: `cid-${cid}`, action: login.action, verdict: 'refused' },
      ...{ status: null, error: null, target: '', principal, ms: Math.max(0, at - began) },
      ...refusal,
    }
    this.#means.record(decision, number, by)
  }
}

function accountOf({ principal, user }: Connection): string | undefined {
  return principal?.account ?? user?.account
}

function isWaiting({ user, principal, isRefused }: Connection): boolean {
  return user !== undefined && principal === undefined && !isRefused
}

function isAuthenticationError(text: string): boolean {
  return /^authentication error( - .*)?$/.test(text)
}

/** What somebody may not do, with the words in which the broker tells him. */
function denialIn(text: string): Refusal | undefined {
  const [, what, which, target = '', queue] = denied.exec(text) ?? []
  if (what === undefined) return undefined
  const doing = what === 'Subscription' ? what : which === 'Reply' ? 'Publish with Reply of' : 'Publish'
  const words = which === 'Reply' ? doing : `${doing} to`
  const group = queue === undefined ? '' : ` using queue "${queue}"`
  return {
    ...{ layer: 'broker', guard: 'broker.permission', target },
    action: what === 'Publish' ? 'nats:publish' : 'nats:subscribe',
    reason: what === 'Publish' ? 'nats_publish_denied' : 'nats_subscribe_denied',
    error: `Permissions Violation for ${words} "${target}"${group}`,
  }
}
