import { expect, test } from 'vitest'
import { MOST_HOPS, MOST_ROUTES } from './guards/route.ts'
import { startRouteFeed } from './route-feed.ts'
import { RouteTable } from './routes.ts'
import type { RouteEntry } from './wire.ts'

const route = (name: string) => ({ domain: 'x.test', name, protocol: 'http' as const, endpoint: 'https://x.test/' })

/** What node-b tells node-c; `release` lets the batch on its way arrive. */
function feedOf(routes: RouteTable) {
  const sent: { routes: RouteEntry[]; endOfSync?: boolean }[] = []
  let arrived: (() => void) | undefined
  const channel = {
    update: (update: (typeof sent)[number]) => {
      sent.push(update)
      return new Promise<void>((resolve) => {
        arrived = resolve
      })
    },
  }
  const feed = startRouteFeed({ node: 'node-b', peer: 'node-c', channel }, routes)
  const release = async (): Promise<void> => {
    for (let before = -1; before !== sent.length; ) {
      before = sent.length
      arrived?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const said = (): string[] =>
    sent.flatMap((update) =>
      update.routes.map((entry) => `${entry.op} ${entry.name}${entry.op === 'announce' ? ` ${entry.path}` : ''}`),
    )
  return { sent, feed, release, said }
}

test('the whole table with ourselves before each path, but nothing back to where it came from', async () => {
  const routes = new RouteTable()
  routes.putLocal(route('own'))
  routes.learn('node-a', { ...route('of-a'), path: ['node-a'] })
  routes.learn('node-c', { ...route('of-c'), path: ['node-c'] })
  const { said, sent, release } = feedOf(routes)
  await release()
  expect(said()).toEqual(['announce own node-b', 'announce of-a node-b,node-a'])
  expect(sent.at(-1)?.endOfSync).toBe(true)
})

test('a lost best path is followed by the next best, or withdrawn where that is the peer itself', async () => {
  const routes = new RouteTable()
  routes.learn('node-a', { ...route('r'), path: ['node-a'] })
  routes.learn('node-d', { ...route('r'), path: ['node-d', 'node-a'] })
  routes.learn('node-c', { ...route('r'), path: ['node-c', 'node-d', 'node-a'] })
  const { said, release } = feedOf(routes)
  await release()
  routes.forget('node-a', route('r'))
  await release()
  routes.forget('node-d', route('r'))
  await release()
  routes.forget('node-c', route('r'))
  await release()
  expect(said()).toEqual(['announce r node-b,node-a', 'announce r node-b,node-d,node-a', 'withdraw r'])
})

test('of changes during a batch only the last one counts', async () => {
  const routes = new RouteTable()
  const { said, release, sent } = feedOf(routes)
  for (const name of ['gone', 'kept']) routes.putLocal(route(name))
  routes.deleteLocal(route('gone'))
  await release()
  expect(said()).toEqual(['announce kept node-b'])
  expect(sent).toHaveLength(2)
})

test('a path that is full ends here', async () => {
  const routes = new RouteTable()
  const path = Array.from({ length: MOST_HOPS }, (_, hop) => `n-${hop}`)
  routes.learn('node-a', { ...route('full'), path })
  routes.learn('node-a', { ...route('fits'), path: path.slice(1) })
  const { sent, release } = feedOf(routes)
  await release()
  expect(sent.flatMap((update) => update.routes.map(({ name }) => name))).toEqual(['fits'])
})

test('a peer is never sent more routes than it takes, and the next as soon as one goes', async () => {
  const routes = new RouteTable()
  for (let n = 0; n <= MOST_ROUTES; n += 1) routes.putLocal(route(`r-${n}`))
  const { said, sent, release } = feedOf(routes)
  await release()
  expect(said()).toHaveLength(MOST_ROUTES)
  expect(sent.every((update) => update.routes.length <= 1_000)).toBe(true)
  expect(sent.filter(({ endOfSync }) => endOfSync)).toHaveLength(1)
  routes.deleteLocal(route('r-5'))
  await release()
  expect(said().slice(MOST_ROUTES)).toEqual(['withdraw r-5', `announce r-${MOST_ROUTES} node-b`])
})
