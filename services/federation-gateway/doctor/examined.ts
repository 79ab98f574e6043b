import { firstRefusal, type Guard } from '../../shared/guard.ts'
import type { StartFailure } from '../../shared/start-failure.ts'
import type { CallAnswer } from '../calls/https-call.ts'
import type { Configuration } from '../config.ts'
import type { Start } from '../start/guards.ts'
import type { AuditState } from '../storage/audit/writer.ts'
import { Database } from '../storage/database.ts'
import type { Check } from '../wire/doctor.ts'
import { type Finding, failAs } from './finding.ts'

export interface DoctorDeps {
  /** The configuration by its form alone. May throw `StartFailure`. */
  load(): Configuration
  /** Of the gateway that is looked at from within. Absent: its decision log and its database are compared. */
  readonly auditState?: () => AuditState
  /** Whether a certificate is issued to see what the CA puts into it. */
  readonly isDeep?: boolean
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Longest that one call of the CA, or one statement, may take. Default 2000. */
  readonly withinMs?: number
}

const WITHIN_MS = 2_000

/** What the checks so far have found, for those after them. */
export class Examined implements AsyncDisposable {
  readonly deps: DoctorDeps
  readonly statuses = new Map<Check['id'], Check['status']>()
  readonly withinMs: number
  start: Start | undefined
  /** The `Date` of the CA, and when it came. */
  caDate: { readonly told: number; readonly at: number } | undefined
  caHealth: CallAnswer | undefined
  readonly #opened: Database[] = []

  constructor(deps: DoctorDeps) {
    this.deps = deps
    this.withinMs = deps.withinMs ?? WITHIN_MS
  }

  now(): number {
    return (this.deps.now ?? Date.now)()
  }

  get configuration(): Configuration | undefined {
    return this.start?.configuration
  }

  get isFederated(): boolean {
    return this.configuration?.tier === 'federated'
  }

  /** Undefined: there is none to be asked. */
  databaseUrl: string | undefined

  #login: Database | undefined
  #app: Database | undefined

  /** Sessions of the login itself: without its migrations a database has no other role. */
  get login(): Database {
    this.#login ??= this.#open()
    return this.#login
  }

  get app(): Database {
    this.#app ??= this.#open('gateway_app')
    return this.#app
  }

  /** The first of these that has not passed. */
  missing(ids: readonly Check['id'][]): Check['id'] | undefined {
    return ids.find((id) => !['ok', 'warn'].includes(this.statuses.get(id) ?? 'skip'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((database) => database[Symbol.asyncDispose]()))
  }

  #open(role?: 'gateway_app'): Database {
    const options = { url: this.databaseUrl!, withinMs: this.withinMs, sessions: 1 }
    const database = new Database({ ...options, ...(role !== undefined && { role }) })
    this.#opened.push(database)
    return database
  }
}

/** What a guard of the start finds; undefined: it passes. */
export async function mistakeBy(
  guard: Guard<Start>,
  start: Start,
): Promise<{ failure: StartFailure; finding: Finding } | undefined> {
  if ((await firstRefusal([guard], start)) === undefined) return undefined
  const failure = start.failure!
  return { failure, finding: failAs(failure.message, 'see gateway --check-config') }
}
