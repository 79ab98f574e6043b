import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { BrokerUnavailable, LinkFailure } from '../../shared/nats/broker-link.ts'
import type { MessagingConfiguration } from '../config.ts'
import type { Command, PublishProblem } from '../guards/command.ts'
import type { Place } from './command-table.ts'

/** The stream that keeps commands until their hosts fetch them, and one durable consumer for each host. */
const STREAM = 'WORKLOAD'

type Settings = Pick<MessagingConfiguration['messaging'], 'stream' | 'hosts' | 'connectTimeoutMs'>

const NANOSECONDS = 1e9
const DUPLICATE_WINDOW_SECONDS = 120
const ACK_WAIT_SECONDS = 30
const MOST_UNACKED = 256
const AT_ONCE = 16
const CONSUMER_EXISTS = [10105, 10148]

/** What the broker answers where a stream or a consumer would have to be of another kind: it updates none to that. */
const OTHER_KIND_CODES = [10012, 10052]

/**
 * Makes them, or brings them up to date; nothing is ever deleted.
 *
 * @throws LinkFailure `stream_unexpected` where they were made in another way, in which commands could be lost
 */
export async function prepareStream(connection: NatsConnection, settings: Settings): Promise<void> {
  try {
    await makeStream(connection, settings)
  } catch (failure) {
    if (!(failure instanceof JetStreamApiError) || !OTHER_KIND_CODES.includes(failure.code)) throw failure
    const found = `stream ${STREAM}, or a consumer of it, was made otherwise (${failure.message}); delete it there`
    throw new LinkFailure('stream_unexpected', found, { cause: failure })
  }
}

async function makeStream(connection: NatsConnection, settings: Settings): Promise<void> {
  const manager = await managerOf(connection, settings)
  const { maxAgeSeconds, maxBytes } = settings.stream
  const mutable = {
    subjects: ['WORKLOAD.*.cmd.>'],
    // A full stream refuses, which is seen; dropping old commands would be loss.
    discard: DiscardPolicy.New,
    max_age: maxAgeSeconds * NANOSECONDS,
    max_bytes: maxBytes,
    // Neither by their number: with `discard` as it is, these would drop old ones, or keep out new ones.
    ...{ max_msgs: -1, max_msgs_per_subject: -1 },
    duplicate_window: Math.min(DUPLICATE_WINDOW_SECONDS, maxAgeSeconds) * NANOSECONDS,
  }
  const fixed = { retention: RetentionPolicy.Limits, storage: StorageType.File }
  // The fixed ones go along: where they are others, commands could be lost, and the broker refuses the update.
  await manager.streams.update(STREAM, { ...fixed, ...mutable }).catch((failure: unknown) => {
    const isNew = failure instanceof JetStreamApiError && failure.code === JetStreamApiCodes.StreamNotFound
    if (!isNew) throw failure
    return manager.streams.add({ name: STREAM, ...fixed, ...mutable })
  })
  await inTurns(settings.hosts, (host) => prepareConsumer(manager, host))
}

async function prepareConsumer(manager: JetStreamManager, host: string): Promise<void> {
  const mutable = {
    filter_subject: `WORKLOAD.${host}.cmd.>`,
    ack_wait: ACK_WAIT_SECONDS * NANOSECONDS,
    max_deliver: -1,
    max_ack_pending: MOST_UNACKED,
  }
  const fixed = {
    ...{ name: host, durable_name: host },
    ...{ ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All, replay_policy: ReplayPolicy.Instant },
  }
  try {
    await manager.consumers.add(STREAM, { ...fixed, ...mutable })
  } catch (failure) {
    if (!(failure instanceof JetStreamApiError) || !CONSUMER_EXISTS.includes(failure.code)) throw failure
    await manager.consumers.update(STREAM, host, { ...fixed, ...mutable })
  }
}

/** Publishes, and resolves when the broker has it on its disk. */
export async function publishCommand(
  connection: NatsConnection,
  { id, host, verb, args }: Command,
  timeout: number,
): Promise<Place & { duplicate: boolean }> {
  const body = JSON.stringify({ id, verb, args })
  const options = { msgID: id, timeout, expect: { streamName: STREAM } }
  const client = clients.get(connection) ?? jetstream(connection)
  clients.set(connection, client)
  const { stream, seq, duplicate } = await client.publish(`WORKLOAD.${host}.cmd.${verb}`, body, options)
  return { stream, seq, duplicate }
}

/** One for each connection, and not one for each command. */
const clients = new WeakMap<NatsConnection, JetStreamClient>()

/** Insufficient resources, memory and storage of the account, and what a store that failed tells: full, or its disk is. */
const FULL_CODES = [10023, 10028, 10047, 10077]

/** What became of a publish that failed. `isRefused`: the broker does not have it, and will not. */
export function publishFailure(failure: unknown): { problem: PublishProblem; isRefused: boolean } {
  if (failure instanceof JetStreamApiError) {
    const isFull = FULL_CODES.includes(failure.code)
    return { problem: isFull ? 'stream_full' : 'broker_unavailable', isRefused: true }
  }
  return { problem: 'broker_unavailable', isRefused: failure instanceof BrokerUnavailable }
}

/** For people: how full the stream is, and how far each host is behind. */
export async function streamState(connection: NatsConnection, settings: Settings) {
  const manager = await managerOf(connection, settings)
  const [{ state, config }, consumers] = await Promise.all([
    manager.streams.info(STREAM),
    inTurns(settings.hosts, (host) => manager.consumers.info(STREAM, host)),
  ])
  const { messages, bytes, first_seq, last_seq } = state
  return {
    stream: { name: STREAM, messages, bytes, maxBytes: config.max_bytes, firstSeq: first_seq, lastSeq: last_seq },
    consumers: consumers.map(({ name, num_pending, num_ack_pending, num_redelivered }) => ({
      ...{ host: name, pending: num_pending, unacknowledged: num_ack_pending, redelivered: num_redelivered },
    })),
  }
}

/** Some at a time: each call has a time of its own, which it must not spend behind hundreds of others. */
async function inTurns<Item, Result>(items: readonly Item[], act: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(act))))
  }
  return results
}

/** Without asking for the account: that is none of this role's business. */
function managerOf(connection: NatsConnection, { connectTimeoutMs }: Settings): Promise<JetStreamManager> {
  return jetstreamManager(connection, { checkAPI: false, timeout: connectTimeoutMs })
}
