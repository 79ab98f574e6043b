import type { Decision } from '../../shared/decision-log.ts'
import { freePort } from '../../shared/testing/service-process.ts'
import { Health } from '../health.ts'
import { FAILURE_RATE, FailureLimit } from '../listener/flood.ts'
import { createListeners, type ListenerOptions } from '../listener/listener.ts'
import { type BearerDecision, createRecords } from '../listener/records.ts'
import { ownRoutes } from '../own-routes.ts'
import { TokenSet } from '../token/accepted.ts'
import { SetClock } from './clock.ts'
import { OLD } from './tokens.ts'

/** A listener of plain HTTP on loopback, as a node has it. */
export interface TestListeners extends AsyncDisposable {
  readonly port: number
  readonly tokens: TokenSet | undefined
  readonly clock: SetClock
  readonly health: Health
  /** Of which `monotonic` is read by the limit of failures. */
  readonly time: { monotonic: number }
  readonly records: BearerDecision[]
  /** Members that tell what was decided, of the record that was written last. */
  lastDecision(): Pick<Decision, 'verdict' | 'status' | 'guard' | 'reason'>
  /** No record can be written while it is set. */
  readonly disk: { isFull: boolean }
}

export interface TestListenersOptions extends Partial<Pick<ListenerOptions, 'routes' | 'onHeard' | 'materials'>> {
  readonly isWithoutToken?: boolean
  readonly auth?: Partial<ListenerOptions['config']['auth']>
  readonly listen?: Partial<ListenerOptions['config']['listen'][number]>
  readonly peers?: ListenerOptions['config']['peers']
  readonly proxies?: ListenerOptions['config']['proxies']
  readonly bodyWithinMs?: number
  readonly limitedRecordsPerMinute?: number
}

export async function testListeners(options: TestListenersOptions = {}): Promise<TestListeners> {
  const { isWithoutToken = false, routes = [], auth, materials = ['plain'] } = options
  const port = await freePort()
  const clock = new SetClock()
  const tokens = isWithoutToken ? undefined : new TokenSet({ sends: OLD, also: [] }, clock)
  const health = new Health()
  const records: BearerDecision[] = []
  const disk = { isFull: false }
  const time = { monotonic: 0 }
  const decisions = {
    record(decision: Decision) {
      if (disk.isFull) throw new Error('ENOSPC: no space left on device')
      records.push(decision as BearerDecision)
    },
  }
  const listeners = createListeners({
    config: {
      nodeId: 'orc-1',
      listen: [{ address: '127.0.0.1', port, ...options.listen }],
      peers: options.peers ?? [],
      proxies: options.proxies ?? [],
      auth: { require: false, readAccess: 'open', headerAlias: undefined, maxOverlapS: 86_400, ...auth },
    },
    ...{ materials, tokens, decisions, health, records: createRecords(decisions, 'orc-1') },
    ...{ routes: [...ownRoutes({ health, tokens }), ...routes], onHeard: options.onHeard },
    ...{ bodyWithinMs: options.bodyWithinMs, limitedRecordsPerMinute: options.limitedRecordsPerMinute },
    failures: new FailureLimit(FAILURE_RATE, () => time.monotonic),
    log: { info() {}, warn() {}, error() {} },
  })
  await listeners.listen()
  return {
    ...{ port, tokens, clock, health, time, records, disk },
    lastDecision() {
      const { verdict, status, guard, reason } = records.at(-1)!
      return { verdict, status, guard, reason }
    },
    async [Symbol.asyncDispose]() {
      await listeners.close(100)
      tokens?.close()
    },
  }
}
