import type { Log } from '../shared/log.ts'
import type { RunningService } from '../shared/service-main.ts'
import { startCluster } from './cluster/index.ts'
import { Health } from './health.ts'
import { FAILURE_RATE, FailureLimit } from './listener/flood.ts'
import { createListeners } from './listener/listener.ts'
import { readOutgoing } from './listener/materials.ts'
import { createRecords, type Records } from './listener/records.ts'
import { ownRoutes } from './own-routes.ts'
import type { Prepared } from './prepare.ts'
import { TlsFiles } from './tls-files.ts'
import { TokenSet } from './token/accepted.ts'
import { TokenReload } from './token/reload.ts'

/** Requests in flight have so long to end. */
const GRACE_MS = 2_000
/** As `/readyz` shows it. */
const STARTING = 'starting'

const clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() }

/** Puts a node together of what was prepared, and starts it. */
export async function startNode(prepared: Prepared, log: Log): Promise<RunningService> {
  const { config, decisions, given, materials } = prepared
  const health = new Health()
  health.raise(STARTING)
  const records = createRecords(decisions, config.nodeId)
  const tokens = given && new TokenSet({ sends: given.token, also: given.also })
  const reload = tokens && followFile(prepared, { tokens, records, health, log })
  let outgoing = readOutgoing(config, materials)
  const cluster = await startCluster({
    ...{ config, tokens, log, clock, health, tlsFor: () => outgoing },
    record: (decision) => records.record(decision),
  })
  const listeners = createListeners({
    ...{ config, materials, tokens, decisions, records, health, log },
    routes: [...ownRoutes({ health, tokens }), ...cluster.routes],
    failures: new FailureLimit(FAILURE_RATE, clock.monotonicMs),
    onHeard: ({ verdict, ...caller }) => verdict && cluster.heard({ ...caller, verdict }),
  })
  await listeners.listen()
  const tls = new TlsFiles({
    ...{ config, listeners, health, log },
    onUsed: (used) => {
      outgoing = readOutgoing(config, used)
    },
  })
  // A start that comes to nothing has one line.
  for (const message of prepared.told) log.warn('told-at-start', { message })
  health.clear(STARTING)
  return {
    reload() {
      void reload?.reload()
      void tls.reload()
    },
    async stop() {
      listeners.endStreams()
      await tls.close()
      // It gives its lease back, and its stages their time, while others can still reach it.
      await cluster.stop()
      await listeners.close(GRACE_MS)
      await reload?.close()
      tokens?.close()
      decisions.close()
    },
  }
}

/** Only a file can hold another token later on. */
function followFile(
  { given, demand }: Prepared,
  parts: { tokens: TokenSet; records: Records; health: Health; log: Log },
): TokenReload | undefined {
  return given?.source.kind === 'file' ? new TokenReload({ path: given.source.text, demand, ...parts }) : undefined
}
