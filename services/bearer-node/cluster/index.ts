import { join } from 'node:path'
import type { Log } from '../../shared/log.ts'
import type { Config } from '../config.ts'
import type { Health } from '../health.ts'
import type { RecordOfDecision } from '../listener/records.ts'
import type { Route } from '../listener/route.ts'
import { pipelinesOf } from '../pipelines/pipelines.ts'
import { createStageRunner } from '../pipelines/stage-runner.ts'
import type { AcceptedTokens } from '../token/accepted.ts'
import { Cluster, type ClusterState } from './cluster.ts'
import { membershipOf } from './membership.ts'
import { PeerClient, type PeerTls } from './peer-client.ts'
import { clusterRoutes } from './routes.ts'
import { openStore } from './store.ts'
import { type Clock, timeOf } from './time.ts'

export type { ClusterState } from './cluster.ts'
export type { PeerTls } from './peer-client.ts'

export interface ClusterDeps {
  readonly config: Config
  /** Undefined: this node has no token. */
  readonly tokens: Pick<AcceptedTokens, 'current'> | undefined
  record(decision: RecordOfDecision): void
  readonly log: Log
  readonly clock: Clock
  /** What is valid now; the same object as long as it has not changed. */
  tlsFor(): PeerTls | undefined
  readonly health: Health
}

/** A caller that the listener judged. */
export interface HeardCaller {
  readonly remote: string
  readonly via?: string
  readonly verdict: 'accepted' | 'refused'
  /** Whose it is, where that is proven: an address proves nothing. */
  readonly peer?: string
}

export interface StartedCluster {
  readonly routes: readonly Route[]
  state(): ClusterState
  heard(caller: HeardCaller): void
  stop(): Promise<void>
}

/** The PATH that stages get. */
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

/** Opens what this node has on disk, and takes part in its cluster. Throws `StartFailure`. */
export async function startCluster(deps: ClusterDeps): Promise<StartedCluster> {
  const { config, tokens, log, clock, health } = deps
  const pipelines = pipelinesOf(config)
  const membership = membershipOf(config)
  const time = timeOf(clock)
  const store = openStore(config.dataDir)
  const calls = new PeerClient({
    ...{ peers: new Map(membership.others.map(({ id, url }) => [id, url])), connectMs: config.peerTimeoutMs },
    ...{ token: () => tokens?.current(), tlsFor: () => deps.tlsFor(), record: (decision) => deps.record(decision) },
  })
  const folder = join(config.dataDir, 'stages')
  const cluster = new Cluster({
    ...{ membership, pipelines, store, calls, time, health, log, random: Math.random },
    ...{ leaseMs: config.leaseMs, peerTimeoutMs: config.peerTimeoutMs },
    runner: createStageRunner({ folder, path: process.env.PATH ?? DEFAULT_PATH, time }),
  })
  cluster.start()
  return {
    routes: clusterRoutes(cluster),
    state: () => cluster.state(),
    heard({ peer, verdict }) {
      if (peer !== undefined) cluster.view.heard(peer, verdict === 'accepted' ? 'ok' : 'refused')
    },
    async stop() {
      await cluster.stop()
      await calls.close()
      // What waited for an answer has heard by then that there is none.
      await new Promise((resolve) => setImmediate(resolve))
      store.close()
    },
  }
}
