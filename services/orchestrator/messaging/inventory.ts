import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { LocalOperation } from '../local-call.ts'
import { iso } from '../state.ts'

/** What a host told last. Who it is stands in the subject, which the broker's permissions enforce, and nowhere else. */
interface Told {
  /** Milliseconds since 1970. */
  readonly receivedAt: number
  /** As it came: it is read when somebody asks, for most of it is replaced before anybody does. */
  readonly text: string
}

const LARGEST_MESSAGE = 64 * 1024

/** What hosts tell: `INVENTORY.HOST.*` and `WORKLOAD.HOST.status`. Of each host the last one is kept. */
export class Inventory {
  readonly #hosts: readonly string[]
  readonly #now: () => number
  readonly #updates = new Map<string, Told>()
  readonly #statuses = new Map<string, Told>()
  readonly operation: LocalOperation

  constructor(hosts: readonly string[], now: () => number = Date.now) {
    this.#hosts = hosts
    this.#now = now
    this.operation = {
      method: 'GET',
      path: ['inventory'],
      action: 'inventory:read',
      run: () => ({ status: 200, json: { hosts: this.#hosts.map((host) => this.#shown(host)) } }),
    }
  }

  followUpdates(connection: NatsConnection): void {
    follow(connection, 'INVENTORY.>', (message) => this.#keep(this.#updates, message))
  }

  followStatuses(connection: NatsConnection): void {
    follow(connection, 'WORKLOAD.*.status', (message) => this.#keep(this.#statuses, message))
  }

  #keep(told: Map<string, Told>, message: Msg): void {
    const host = message.subject.split('.')[1] ?? ''
    if (!this.#hosts.includes(host) || message.data.length > LARGEST_MESSAGE) return
    told.set(host, { receivedAt: this.#now(), text: message.string() })
  }

  #shown(host: string) {
    const [update, status] = [this.#updates.get(host), this.#statuses.get(host)]
    return { host, ...(update && { update: shown(update) }), ...(status && { status: shown(status) }) }
  }
}

function shown({ receivedAt, text }: Told): { receivedAt: string; content: unknown } {
  return { receivedAt: iso(receivedAt), content: contentOf(text) }
}

function follow(connection: NatsConnection, subject: string, keep: (message: Msg) => void): void {
  connection.subscribe(subject, {
    callback(failure, message) {
      if (failure === null) keep(message)
    },
  })
}

/** A host that sends what is no JSON harms nobody but itself. */
function contentOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
