import type { EventSession } from '../listener/route.ts'

/** What a session may be behind. */
const KEPT = 1_000

interface Told {
  readonly id: number
  readonly event: string
  readonly data: unknown
}

/** Changes of leader and runs, told to everybody who listens (Server-Sent Events). */
export class Events {
  readonly #sessions = new Set<EventSession>()
  readonly #kept: Told[] = []
  #id = 0

  tell(event: 'leader' | 'run', data: unknown): void {
    this.#id += 1
    const told: Told = { id: this.#id, event, data }
    this.#kept.push(told)
    if (this.#kept.length > KEPT) this.#kept.shift()
    for (const session of [...this.#sessions]) session.send(event, data, String(told.id))
  }

  /** `now`: how things are; `lastId`: what the session has seen, as far as it is still kept here. */
  open(session: EventSession, now: unknown, lastId: string | undefined): void {
    this.#sessions.add(session)
    session.onEnd(() => this.#sessions.delete(session))
    session.send('leader', now)
    const last = Number(lastId)
    // Ids begin anew with the node: one that was never given says nothing.
    if (!Number.isSafeInteger(last) || last < 1 || last > this.#id) return
    for (const { id, event, data } of this.#kept) if (id > last) session.send(event, data, String(id))
  }

  get count(): number {
    return this.#sessions.size
  }

  end(reason: string): void {
    for (const session of [...this.#sessions]) session.end(reason)
    this.#sessions.clear()
  }
}
