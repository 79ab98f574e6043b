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
import { type CommandTable, digestOf } from './command-table.ts'
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

/** `POST /v1/commands`: answered 202 when the broker has the command, once for each id. */
export class Commands {
  readonly #options: Required<CommandsOptions>
  readonly operation: LocalOperation
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
    for (const command of this.#options.table.pending()) {
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
    const { place, failure } = await this.#publish(command)
    const { problem, isRefused } = failure === undefined ? {} : publishFailure(failure)
    // Only what may have reached the broker stays: what it refused was no command.
    if (isRefused && kept.isNew) await table.forget(command.id)
    if (failure !== undefined) this.#options.log.warn('command-not-published', { problem, ...failureFields(failure) })
    pass(commandBroker, { problem }, 'The broker does not have this command; send it again, with the same id.')
    return accepted(place)
  }

  async #publish(command: Command) {
    const { link, table, timeoutMs } = this.#options
    try {
      const place = await link.use((connection) => publishCommand(connection, command, timeoutMs))
      table.published(command.id, place)
      return { place }
    } catch (failure) {
      return { failure }
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
