import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { NOW, POINT, rootCa, type TestCa } from '../testing/certificates.ts'
import { CrlKeeper, type CrlsInUse } from './crl-keeper.ts'

let root: TestCa
let below: TestCa
let now: number
let loaded: CrlsInUse[]
let events: string[]
let lists: { root: () => Promise<Uint8Array>; issuing: () => Promise<Uint8Array>; issuers: TestCa[] }
let keeper: CrlKeeper

beforeAll(async () => {
  root = await rootCa('root')
  below = await root.sub('below')
})
beforeEach(() => {
  now = NOW
  loaded = []
  events = []
  lists = {
    root: () => root.crl({ point: undefined }),
    issuing: () => below.crl({ number: 5, serials: ['0a'] }),
    issuers: [below],
  }
  const say = (event: string, fields?: Readonly<Record<string, unknown>>) =>
    void events.push(`${event} ${fields?.message}`)
  keeper = new CrlKeeper({
    source: {
      list: () => lists.issuing(),
      rootList: () => lists.root(),
      issuers: async () => lists.issuers.map(({ certificate }) => certificate),
    },
    ...{
      root: root.certificate,
      distributionPoint: POINT,
      refreshMs: 30_000,
      log: { info: say, warn: say, error: say },
    },
    ...{ onLoaded: (crls) => void loaded.push(crls), now: () => now },
  })
})
afterEach(() => {
  keeper.stop()
  vi.useRealTimers()
})

test('both lists come into use together, and the same ones only once', async () => {
  expect([keeper.problem, keeper.current]).toEqual(['crl_missing', undefined])
  const issuing = await lists.issuing()
  lists.issuing = async () => issuing
  const rootList = await lists.root()
  lists.root = async () => rootList
  expect([await keeper.refresh(), await keeper.refresh()]).toEqual([true, true])
  expect([keeper.problem, loaded.length]).toEqual([undefined, 1])
  expect([...loaded[0]!.serials]).toEqual(['a'])
  expect(loaded[0]!.pems).toHaveLength(2)
  lists.issuing = () => below.crl({ number: 6, serials: ['0a', '0b'] })
  await keeper.refresh()
  expect([...keeper.current!.serials]).toEqual(['a', 'b'])
  expect(loaded).toHaveLength(2)
})

test.each<[what: string, change: () => void, message: RegExp]>([
  [
    'that is not there',
    () => {
      lists.issuing = () => Promise.reject(new Error('404'))
    },
    /404/,
  ],
  [
    'of another CA',
    () => {
      lists.issuing = async () => (await root.sub('below')).crl({ number: 9 })
    },
    /signature/,
  ],
  [
    'of a lower number',
    () => {
      lists.issuing = () => below.crl({ number: 4 })
    },
    /number 4 is below 5/,
  ],
  [
    'that has ended',
    () => {
      lists.issuing = () => below.crl({ number: 9, nextUpdate: new Date(NOW) })
    },
    /ended/,
  ],
  [
    'of no CA that is known',
    () => {
      lists.issuers = []
    },
    /no CA is known/,
  ],
  [
    "of which the root's is not there",
    () => {
      lists.root = () => Promise.reject(new Error('no file'))
    },
    /no file/,
  ],
  [
    "of which the root's is another's",
    () => {
      lists.root = () => below.crl({ point: undefined })
    },
    /another issuer/,
  ],
])('a list %s changes nothing, is told once, and the next good one counts', async (_, change, message) => {
  await keeper.refresh()
  const before = { ...lists }
  change()
  expect([await keeper.refresh(), await keeper.refresh()]).toEqual([false, false])
  expect([keeper.problem, [...keeper.current!.serials], loaded.length]).toEqual([undefined, ['a'], 1])
  expect(events).toEqual([expect.stringMatching(message)])
  Object.assign(lists, before, { issuing: () => below.crl({ number: 10, serials: ['0c'] }) })
  expect(await keeper.refresh()).toBe(true)
  expect([...keeper.current!.serials]).toEqual(['c'])
})

test('each list counts until its own end', async () => {
  lists.issuing = () => below.crl({ number: 5, nextUpdate: new Date(NOW + 1_000) })
  await keeper.refresh()
  now = NOW + 999
  expect(keeper.problem).toBeUndefined()
  now = NOW + 1_000
  expect(keeper.problem).toBe('crl_stale')
  lists.issuing = () => below.crl({ number: 6 })
  lists.root = () => root.crl({ point: undefined, number: 2, nextUpdate: new Date(NOW + 2_000) })
  await keeper.refresh()
  expect(keeper.problem).toBeUndefined()
  now = NOW + 2_000
  expect(keeper.problem).toBe('crl_stale')
})

test('a list is signed by any of the CAs that may', async () => {
  const next = await root.sub('next')
  lists.issuers = [below, next]
  lists.issuing = () => next.crl({ number: 1, serials: ['0d'] })
  expect(await keeper.refresh()).toBe(true)
  expect([...keeper.current!.serials]).toEqual(['d'])
})

test('it looks at once and every so often, and whoever asks in between gets a look of after that', async () => {
  vi.useFakeTimers()
  let looks = 0
  // Made before: no clock that is set waits for a signature.
  const [list, rootList] = [await below.crl({ number: 5 }), await lists.root()]
  lists.root = async () => rootList
  lists.issuing = async () => {
    looks += 1
    return list
  }
  await keeper.start()
  expect(looks).toBe(1)
  await vi.advanceTimersByTimeAsync(30_000)
  expect(looks).toBe(2)
  await Promise.all([keeper.refresh(), keeper.refresh()])
  expect(looks).toBe(4)
  keeper.stop()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(looks).toBe(4)
})
