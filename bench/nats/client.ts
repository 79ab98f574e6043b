// What clients of a broker do, in a process of their own: each order of the bench is one message, and so is its answer.
import { setTimeout as wait } from 'node:timers/promises'
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type BrokerLogin, type BrokerTarget, connectBroker } from '../../services/shared/nats/broker-connection.ts'

/** Somebody who can log in. */
export interface Client {
  readonly target: BrokerTarget
  readonly login: BrokerLogin
}

const STREAM = 'WORKLOAD'
const MOST_AT_ONCE = 256
const LOOK_EVERY_MS = 5
const FETCHED_WITHIN_MS = 300_000

/** One connection for each login, for orders that come one after the other. */
const known = new Map<string, ReturnType<typeof connectBroker>>()

function connected({ target, login }: Client): ReturnType<typeof connectBroker> {
  const connection = known.get(login.name) ?? connectBroker(target, login)
  known.set(login.name, connection)
  return connection
}

const work = {
  /** Each from its TCP connection until the broker has taken its login, so many at once; ms of each, and until the last is in. */
  async logIn(clients: readonly Client[], width: number): Promise<{ each: number[]; allMs: number }> {
    const each: number[] = []
    const left = [...clients]
    const began = performance.now()
    const connections: Awaited<ReturnType<typeof connectBroker>>[] = []
    const one = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const start = performance.now()
        connections.push(await connectBroker(next.target, next.login))
        each.push(performance.now() - start)
        if (width === 1) await connections.pop()!.close()
      }
    }
    await Promise.all(Array.from({ length: width }, one))
    const allMs = performance.now() - began
    await Promise.all(connections.map((connection) => connection.close()))
    return { each, allMs }
  },

  /** Commands for a host, as the orchestrator publishes them. */
  async publish(client: Client, host: string, count: number): Promise<void> {
    const stream = jetstream(await connected(client))
    let left = count
    const one = async (): Promise<void> => {
      while (left-- > 0) {
        const id = crypto.randomUUID()
        const body = JSON.stringify({ id, verb: 'restart', args: { service: 'web' } })
        await stream.publish(`WORKLOAD.${host}.cmd.restart`, body, { msgID: id, timeout: 10_000 })
      }
    }
    await Promise.all(Array.from({ length: MOST_AT_ONCE }, one))
  },

  /** Has the last commands come once more: a consumer of the same settings, made anew, begins with the first of them. */
  async rewind(client: Client, host: string, count: number): Promise<void> {
    const manager = await jetstreamManager(await connected(client), { checkAPI: false })
    const [{ state }, { config }] = await Promise.all([
      manager.streams.info(STREAM),
      manager.consumers.info(STREAM, host),
    ])
    await manager.consumers.delete(STREAM, host)
    const from = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: state.last_seq - count + 1 }
    await manager.consumers.add(STREAM, { ...config, ...from })
  },

  /** Fetches what there is for a host and acknowledges it, and nothing else, until so many have come. */
  async consume(client: Client, host: string, count: number): Promise<void> {
    const connection = await connectBroker(client.target, client.login)
    const consumer = await jetstream(connection).consumers.get(STREAM, host)
    const { promise, resolve } = Promise.withResolvers<void>()
    let left = count
    const messages = await consumer.consume({
      max_messages: MOST_AT_ONCE,
      callback(message) {
        message.ack()
        left -= 1
        if (left === 0) resolve()
      },
    })
    await promise
    messages.stop()
    await connection.drain()
  },

  /** Ms from when the first of so many commands are on their way to a host until all are acknowledged; to be asked before anybody fetches. */
  async fetched(client: Client, host: string, count: number): Promise<number> {
    const manager = await jetstreamManager(await connected(client), { checkAPI: false })
    const look = () => manager.consumers.info(STREAM, host)
    const patience = AbortSignal.timeout(FETCHED_WITHIN_MS)
    const until = async (isSo: (now: Awaited<ReturnType<typeof look>>) => boolean): Promise<number> => {
      while (!isSo(await look())) await wait(LOOK_EVERY_MS, undefined, { signal: patience })
      return performance.now()
    }
    const began = await until(({ num_pending }) => num_pending < count)
    const ended = await until(({ num_pending, num_ack_pending }) => num_pending === 0 && num_ack_pending === 0)
    return ended - began
  },
}

export type Work = typeof work

/** One order: what to do, and with what. */
export interface Order {
  readonly name: keyof Work
  readonly args: readonly unknown[]
}

process.on('message', async ({ name, args }: Order) => {
  try {
    const result = await (work[name] as (...args: readonly unknown[]) => Promise<unknown>)(...args)
    process.send?.({ result })
  } catch (failure) {
    process.send?.({ failure: (failure as Error).stack })
  }
})
process.once('disconnect', () => process.exit(0))
