import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DecisionLog } from '../../shared/decision-log.ts'
import { HandshakeRecords } from '../../shared/handshake-records.ts'
import type { Log } from '../../shared/log.ts'
import { closeWithin, listenAt } from '../../shared/open-and-close.ts'
import { createTlsListener } from '../../shared/tls-listener.ts'
import type { TlsMaterial } from '../../shared/tls-material.ts'
import type { Config, ListenConfig } from '../config.ts'
import type { Health } from '../health.ts'
import type { AcceptedTokens } from '../token/accepted.ts'
import type { Connection } from './callers.ts'
import type { FailureLimit } from './flood.ts'
import { type Material, PROXIES } from './materials.ts'
import { createPlainServer } from './plain-server.ts'
import { asLine, type RecordOfDecision, type Records } from './records.ts'
import type { Route } from './route.ts'
import { createServing, type Heard } from './serving.ts'

export interface ListenerOptions {
  readonly config: Pick<Config, 'nodeId' | 'listen' | 'peers' | 'proxies' | 'auth'>
  /** Those of `config.listen`, in that order. */
  readonly materials: readonly Material[]
  readonly routes: readonly Route[]
  /** Undefined: this node has no token, and asks for none. */
  readonly tokens: AcceptedTokens | undefined
  readonly decisions: Pick<DecisionLog, 'record'>
  readonly records: Records
  readonly failures: FailureLimit
  readonly health: Health
  readonly log: Log
  /** What was decided on a caller, for who keeps an eye on peers. */
  onHeard?(heard: Heard): void
  /** Within which a body has to be there, in ms. Default: 10 s. */
  readonly bodyWithinMs?: number
  /** Refusals beyond the rate of an address that are put on record in each minute. Default: 600. */
  readonly limitedRecordsPerMinute?: number
}

/** All listeners of a node. They serve the same routes and judge by the same guards. */
export interface Listeners {
  /** Those that need not wait for a certificate. Rejects with Node's own error (`EADDRINUSE`, …) when an address cannot be taken. */
  listen(): Promise<void>
  /** New handshakes use these, and who waited for a certificate listens. Rejects as `listen` does. */
  reload(materials: readonly Material[]): Promise<void>
  /** Places of listeners that wait. */
  waiting(): readonly number[]
  endStreams(): void
  /** Ends streams, lets requests in flight finish for `graceMs`, then closes the rest. */
  close(graceMs: number): Promise<void>
}

const BODY_WITHIN_MS = 10_000
const LARGEST_BODY = 1_048_576
/** A body has its own time, which is told; this one ends who lets even its head wait, without a word. */
const REQUEST_WITHIN_MS = 2 * BODY_WITHIN_MS
const LIMITED_PER_MINUTE = 600

interface One {
  listen(): Promise<void>
  reload(material: TlsMaterial): void
  close(graceMs: number): Promise<void>
}

export function createListeners(options: ListenerOptions): Listeners {
  const { config, records, limitedRecordsPerMinute = LIMITED_PER_MINUTE } = options
  const limited = new HandshakeRecords<RecordOfDecision>(records, limitedRecordsPerMinute)
  const limits = { bytes: LARGEST_BODY, ms: options.bodyWithinMs ?? BODY_WITHIN_MS }
  const serving = createServing({ ...options, limited, limits })
  const create = (at: number, material: Material): One | undefined =>
    material === 'missing' ? undefined : createOne(options, config.listen[at]!, material, serving.serve)
  const all = config.listen.map((_, at) => create(at, options.materials[at]!))
  return {
    async listen() {
      await Promise.all(all.map((one) => one?.listen()))
    },
    async reload(materials) {
      for (const [at, material] of materials.entries()) {
        if (material === 'missing' || material === 'plain') continue
        const one = all[at]
        if (one !== undefined) {
          one.reload(material)
          continue
        }
        const late = create(at, material)
        await late?.listen()
        all[at] = late
      }
    },
    endStreams: serving.endStreams,
    waiting: () => [...all.keys()].filter((at) => all[at] === undefined),
    async close(graceMs) {
      serving.endStreams()
      await Promise.all(all.map((one) => one?.close(graceMs)))
      limited.close()
    },
  }
}

type Serve = (request: IncomingMessage, response: ServerResponse, connection: Connection) => void

function createOne(
  options: ListenerOptions,
  { address: host, port }: ListenConfig,
  material: TlsMaterial | 'plain',
  serve: Serve,
): One {
  const { config } = options
  const common = {
    ...{ name: `${host.includes(':') ? `[${host}]` : host}:${port}`, host, port, requestTimeoutMs: REQUEST_WITHIN_MS },
    ...{ action: 'unknown', target: config.nodeId, decisions: asLine(options.decisions) },
  }
  if (material === 'plain') return plain(createPlainServer({ ...common, onRequest: serve }), host, port)
  const hasOwnRoots = material.anchors.has(PROXIES)
  return createTlsListener({
    ...common,
    // Asked for, and never demanded: it tells proxies and peers apart, and lets nobody in.
    ...{ material, clientCertificate: material.trusted.length > 0 ? 'requested' : 'none' },
    onRequest(request, response, { conn, listener, certificate, socket }) {
      serve(request, response, { conn, listener, address: socket.remoteAddress ?? '', certificate, hasOwnRoots })
    },
  })
}

function plain(server: ReturnType<typeof createPlainServer>, host: string, port: number): One {
  return {
    listen: () => listenAt(server, host, port),
    reload() {},
    close: (graceMs) => closeWithin(server, graceMs),
  }
}
