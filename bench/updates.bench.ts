import { startBaseline } from './baseline.ts'
import type { Bench } from './main.ts'
import { interleave, type Measure } from './measure.ts'
import { announcement, BenchSession, type SessionCaller } from './session.ts'
import { benchSite, identityOf, listenerOf, tokenOf } from './site.ts'

const rounds = 7

export const bench: Bench = {
  summary: 'updates on a live session, against ws that reads the same messages as JSON',
  async run() {
    await using site = await benchSite('shared-auth', { validation: 'jwks' })
    // Its sessions and ours would replace each other.
    await site.node('node-b').stop()
    const caller = await identityOf(site, 'cert-node-b', 'somebiz')
    await using baseline = await startBaseline('bare-updates', await identityOf(site, 'cert-node-a', 'somebiz'))
    const target = listenerOf(site, 'node-a', 'peering')
    const bare = { ...target, address: '127.0.0.1', port: baseline.port }
    const token = await tokenOf(site, 'node-b')
    const measure = async (routesEach: number, messages: number): Promise<Measure> => {
      const load = { routesEach, messages }
      return interleave(
        `updates a second, ${routesEach === 1 ? 'one route' : `${routesEach} routes`} each`,
        () => perSecond(bare, { ...caller, node: 'node-b' }, load),
        () => perSecond(target, { ...caller, node: 'node-b', token }, load),
        { bar: { atLeast: 0.5 }, unit: 'per second', rounds },
      )
    }
    return [await measure(1, 10_000), await measure(100, 400)]
  },
}

/** From the first update until the other end answers what was sent behind the last. */
async function perSecond(
  target: ReturnType<typeof listenerOf>,
  caller: SessionCaller,
  { routesEach, messages }: { routesEach: number; messages: number },
): Promise<number> {
  const session = await BenchSession.open(target, caller)
  try {
    await session.answered()
    const began = performance.now()
    for (let message = 0; message < messages; message += 1) {
      const first = (message * routesEach) % 1_000
      session.update(
        Array.from({ length: routesEach }, (_, at) => announcement(caller.node, 'b.test', `route-${first + at}`)),
      )
    }
    await session.answered()
    return (messages / (performance.now() - began)) * 1_000
  } finally {
    session.close()
  }
}
