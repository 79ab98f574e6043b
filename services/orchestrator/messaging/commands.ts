import { BodyRefused } from '../../shared/http-json.ts'
import { failureFields, type Log } from '../../shared/log.ts'
import type { BrokerLink } from '../../shared/nats/broker-link.ts'
import {
  type Command,
  type CommandFormContext,
  commandBroker,
  commandForm,
  commandHost,
  commandId,
} from '../guards/command.ts'
import { type LocalAnswer, type LocalCall, type LocalOperation, pass } from '../local-call.ts'
import { type CommandTable, digestOf, type Place } from './command-table.ts'
import { publishCommand, publishFailure } from './work-stream.ts'

export interface CommandsOptions {
  readonly table: CommandTable
  readonly link: Pick<BrokerLink, 'use'>
  readonly hosts: readonly string[]
  readonly timeoutMs: number
  readonly log: Log
  readonly now?: () => number
}

const LARGEST_BODY = 256 * 1024
const KEPT_MS = 7 * 86_400_000
const PURGE_EVERY_MS = 3_600_000

interface Outcome extends Partial<ReturnType<typeof publishFailure>> {
  readonly place?: Place & { readonly duplicate: boolean }
  readonly failure?: unknown
}

/** `POST /v1/commands`: answered 202 when the broker has the command, once for each id. */
export class Commands {
  readonly #options: Required<CommandsOptions>
  readonly operation: LocalOperation
  /** By id. Whoever sends it again meanwhile shares what becomes of it: a refusal frees no id that somebody else still waits for. */
  readonly #onTheWay = new Map<string, Promise<Outcome>>()
  #purging: NodeJS.Timeout | undefined

  constructor(options: CommandsOptions) {
    this.#options = { now: Date.now, ...options }
    this.operation = {
      method: 'POST',
      path: ['commands'],
      action: 'commands:write',
      run: async (call) => this.#take(await commandOf(call)),
    }
  }

  start(): void {
    const purge = (): void => {
      try {
        this.#options.table.purge(this.#options.now() - KEPT_MS)
      } catch (failure) {
        this.#options.log.warn('commands-not-purged', failureFields(failure))
      }
    }
    purge()
    this.#purging = setInterval(purge, PURGE_EVERY_MS).unref()
  }

  stop(): void {
    clearInterval(this.#purging)
  }

  /** What a crash left between keeping and publishing goes out now, with the ids that it has. */
  async publishPending(): Promise<void> {
    const left = this.#options.table.pending().filter(({ id }) => !this.#onTheWay.has(id))
    for (const command of left) {
      const { failure } = await this.#publish(command)
      if (failure !== undefined) return this.#options.log.warn('pending-not-published', failureFields(failure))
    }
  }

  async #take(command: Command): Promise<LocalAnswer> {
    const { table, hosts, now } = this.#options
    pass(commandHost, { host: command.host, hosts }, 'No such host is configured.')
    const kept = await table.keep(command, now())
    const same = { digest: kept.isNew ? kept.digest : digestOf(command), known: kept.digest }
    pass(commandId, same, 'This id stands for another command; take a new one.')
    if (kept.place !== undefined) return accepted({ ...kept.place, duplicate: true })
    const before = kept.isNew ? undefined : this.#onTheWay.get(command.id)
    const { place, failure, problem } = await (before ?? this.#send(command, kept.isNew))
    if (failure !== undefined) this.#options.log.warn('command-not-published', { problem, ...failureFields(failure) })
    pass(commandBroker, { problem }, 'The broker does not have this command; send it again, with the same id.')
    return accepted(before === undefined ? place : { ...place, duplicate: true })
  }

  async #send(command: Command, isNew: boolean): Promise<Outcome> {
    const sent = this.#publish(command).then(async (outcome) => {
      // Only what may have reached the broker stays: what it refused was no command.
      if (outcome.isRefused && isNew) await this.#options.table.forget(command.id)
      return outcome
    })
    this.#onTheWay.set(command.id, sent)
    try {
      return await sent
    } finally {
      // Once it is forgotten, somebody else may have taken the id.
      if (this.#onTheWay.get(command.id) === sent) this.#onTheWay.delete(command.id)
    }
  }

  async #publish(command: Command): Promise<Outcome> {
    const { link, table, timeoutMs } = this.#options
    try {
      const place = await link.use((connection) => publishCommand(connection, command, timeoutMs))
      table.published(command.id, place)
      return { place }
    } catch (failure) {
      return { failure, ...publishFailure(failure) }
    }
  }
}

function accepted(json: unknown): LocalAnswer {
  return { status: 202, json }
}

async function commandOf({ read }: LocalCall): Promise<Command> {
  const context: CommandFormContext = await read(LARGEST_BODY).then(
    (given) => ({ given }),
    (failure: unknown) => {
      if (failure instanceof BodyRefused) return { unreadable: failure.refusal.reason }
      throw failure
    },
  )
  // The text is known when the guard has looked.
  pass(commandForm, context, () => context.found ?? '')
  return context.command ?? (context.given as Command)
}
