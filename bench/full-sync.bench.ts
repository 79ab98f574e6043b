import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Bench } from './main.ts'
import { interleave } from './measure.ts'
import { announcement, BenchSession, type SessionCaller } from './session.ts'
import { benchSite, identityOf, listenerOf, tokenOf } from './site.ts'

const few = 1_000
const many = 10_000
const mostInOne = 1_000

export const bench: Bench = {
  summary: 'a whole table of 10 000 routes, against one of 1 000',
  async run() {
    await using site = await benchSite('shared-auth', { validation: 'jwks' })
    await site.node('node-b').stop()
    const caller = {
      ...(await identityOf(site, 'cert-node-b', 'somebiz')),
      node: 'node-b',
      token: await tokenOf(site, 'node-b'),
    }
    const target = listenerOf(site, 'node-a', 'peering')
    return [
      await interleave(
        'full sync of 10 000 routes',
        () => fullSync(target, caller, few),
        () => fullSync(target, caller, many),
        { bar: { atMost: 13 }, rounds: 7 },
      ),
      await interleave(
        'memory of a route, of 10 000',
        () => bytesOfRoute(few),
        () => bytesOfRoute(many),
        {
          // Hash tables grow by doubling: a thousand routes happen to fill theirs, ten thousand leave room for six thousand more.
          bar: { atMost: 1.1 },
          unit: 'bytes',
          warmUp: false,
        },
      ),
    ]
  },
}

/** Ms from the first batch of a new session until the other end has the last. */
async function fullSync(target: ReturnType<typeof listenerOf>, caller: SessionCaller, count: number): Promise<number> {
  const session = await BenchSession.open(target, caller)
  try {
    await session.answered()
    const began = performance.now()
    for (let first = 0; first < count; first += mostInOne) {
      const batch = Array.from({ length: mostInOne }, (_, at) =>
        announcement(caller.node, 'b.test', `route-${first + at}`),
      )
      session.update(batch, first + mostInOne >= count ? true : undefined)
    }
    await session.answered()
    return performance.now() - began
  } finally {
    session.close()
  }
}

/** Of the heap, in a process that holds nothing but a table: the memory of a whole service would drown a thousand routes. */
async function bytesOfRoute(count: number): Promise<number> {
  const child = fork(join(import.meta.dirname, 'full-sync', 'route-memory.ts'), [String(count)], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [bytes] = (await once(child, 'message', { signal: AbortSignal.timeout(20_000) })) as [number]
  return bytes
}
