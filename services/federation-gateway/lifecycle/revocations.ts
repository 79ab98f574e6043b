import type { Log } from '../../shared/log.ts'
import type { CrlKeeper, CrlsInUse } from '../certificates/crl-keeper.ts'
import { CaError } from '../enrolment/ca-answer.ts'
import type { CaClient } from '../enrolment/ca-client.ts'
import type { Serial } from '../serial.ts'
import type { Session } from '../storage/database.ts'
import { type DueRevocation, noteEffective, noteFailed, noteRevoked, takeDue } from '../storage/revocation-outbox.ts'
import { type Repeated, repeat } from './repeat.ts'

export interface RevocationsOptions {
  readonly session: Session
  readonly ca: Pick<CaClient, 'revoke'>
  readonly keeper: Pick<CrlKeeper, 'refresh'>
  readonly log: Pick<Log, 'info' | 'warn'>
}

export interface Revocations extends Repeated {
  /** Lists that are in force now: no handshake succeeds any more with what they name. */
  inForce(crls: Pick<CrlsInUse, 'serials'>): void
}

const EVERY_MS = 1_000
const AT_ONCE = 20
const LONGEST_LOOK_MS = 16_000

/**
 * Tells the CA of certificates that are revoked here, for ever until it has heard, and sees that its list names them. Requests are refused
 * from the commit on: this is what ends handshakes and connections.
 */
export function startRevocations({ session, ca, keeper, log }: RevocationsOptions): Revocations {
  /** In a list in force, and not noted yet: the database may have been away. */
  let named: ReadonlySet<Serial> = new Set()
  let noted: ReadonlySet<Serial> = new Set()
  /** The CA has heard of them, and no list that we have names them. */
  const awaited = new Set<Serial>()
  let lookPauseMs = EVERY_MS
  let nextLook = 0

  const tell = async (due: DueRevocation): Promise<boolean> => {
    const { serial, reason, attempts } = due
    try {
      await ca.revoke(serial, reason)
    } catch (failure) {
      if (!(failure instanceof CaError)) throw failure
      if (attempts === 1) log.warn('revocation-not-told', { serial, code: failure.code, message: failure.message })
      await noteFailed(session, { ...due, failure: failure.code })
      return false
    }
    await noteRevoked(session, due)
    if (!named.has(serial)) awaited.add(serial)
    return true
  }

  const look = async (isNew: boolean): Promise<void> => {
    if (isNew) lookPauseMs = EVERY_MS
    else if (awaited.size === 0 || performance.now() < nextLook) return
    await keeper.refresh()
    nextLook = performance.now() + lookPauseMs
    lookPauseMs *= 2
    // From here on they are looked for as often as all others: a list need not name what has ended.
    if (lookPauseMs > LONGEST_LOOK_MS) awaited.clear()
  }

  const note = async (): Promise<void> => {
    const list = named
    const fresh = [...list].filter((serial) => !noted.has(serial))
    if (fresh.length === 0) return
    await noteEffective(session, fresh)
    noted = list
  }

  const work = async (): Promise<void> => {
    let isMore = true
    while (isMore) {
      const due = await takeDue(session, AT_ONCE)
      const told = await Promise.all(due.map(tell))
      await look(told.includes(true))
      await note()
      isMore = due.length === AT_ONCE
    }
  }

  const repeated = repeat('revocations', EVERY_MS, log, work)
  return {
    ...repeated,
    inForce({ serials }) {
      named = serials
      for (const serial of serials) awaited.delete(serial)
      repeated.wake()
    },
  }
}
