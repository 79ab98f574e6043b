import type { Session } from '../storage/database.ts'
import { noteContact } from '../storage/outbound-peers.ts'

const AGAIN_AFTER_MS = 1_000

interface Known {
  readonly failure: string | undefined
  readonly at: number
}

interface Contact {
  readonly tenantId: string
  readonly id: string
  readonly failure?: string
}

/**
 * How the last calls went, for those who look at a peer. It is written beside the calls, which never wait for it: of those that went alike,
 * one in a second. What cannot be written is not written: the next one will be.
 */
export class Contacts {
  readonly #session: Session
  readonly #now: () => number
  readonly #known = new Map<string, Known>()
  readonly #writing = new Map<string, Promise<void>>()
  readonly #next = new Map<string, Contact>()

  /** `now`: milliseconds, of any clock that only goes forward. */
  constructor(session: Session, now: () => number = () => performance.now()) {
    this.#session = session
    this.#now = now
  }

  note(contact: Contact): void {
    const { id, failure } = contact
    const known = this.#known.get(id)
    if (known !== undefined && known.failure === failure && this.#now() - known.at < AGAIN_AFTER_MS) return
    this.#known.set(id, { failure, at: this.#now() })
    this.#next.set(id, contact)
    if (!this.#writing.has(id)) this.#writing.set(id, this.#write(id))
  }

  forget(peerId: string): void {
    this.#known.delete(peerId)
    this.#next.delete(peerId)
  }

  /** Resolves once nothing is being written. */
  async settled(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing.values())
  }

  async #write(id: string): Promise<void> {
    for (let contact = this.#next.get(id); contact !== undefined; contact = this.#next.get(id)) {
      this.#next.delete(id)
      await noteContact(this.#session, contact).catch(() => this.#known.delete(id))
    }
    this.#writing.delete(id)
  }
}
