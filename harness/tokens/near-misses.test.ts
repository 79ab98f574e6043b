import { expect, test } from 'vitest'
import { type NearMissName, nearMiss, nearMisses, nearMissesOf } from './near-misses.ts'

const isText = (value: unknown): value is string => typeof value === 'string'
const of = (same: (theirs: string, ours: string) => boolean) => (theirs: unknown, ours: string) =>
  isText(theirs) && same(theirs, ours)
const after = (change: (text: string) => unknown) => of((theirs, ours) => change(theirs) === change(ours))

function normal(url: string): string {
  return URL.parse(url)?.href ?? url
}

/** By its name, each wrong comparison that somebody may have written. */
const wrong: Readonly<Record<string, (theirs: unknown, ours: string) => boolean>> = {
  'the first characters': after((text) => text.slice(0, 5)),
  'the last characters': after((text) => text.slice(-5)),
  'both ends': after((text) => [text.slice(0, 2), text.slice(-2), text.length].join()),
  'whether ours begins with theirs': of((theirs, ours) => ours.startsWith(theirs)),
  'whether ours ends with theirs': of((theirs, ours) => ours.endsWith(theirs)),
  'whether theirs begins with ours': of((theirs, ours) => theirs.startsWith(ours)),
  'whether theirs ends with ours': of((theirs, ours) => theirs.endsWith(ours)),
  'without case': after((text) => text.toLowerCase()),
  'without blanks around it': after((text) => text.trim()),
  'up to a NUL': after((text) => text.split('\0')[0]),
  'what Unicode takes for alike': after((text) => text.normalize('NFKC')),
  'theirs with ours as a pattern': of((theirs, ours) => new RegExp(`^${ours}$`).test(theirs)),
  'without a final dot': after((text) => text.replace(/\.$/, '')),
  'without a final slash': after((text) => text.replace(/\/$/, '')),
  origins: after((text) => URL.parse(text)?.origin ?? text),
  hosts: after((text) => URL.parse(text)?.host ?? text),
  'what stands after the scheme': after((text) => text.replace(/^\w+:\/\//, '')),
  'URLs in their normal form': after(normal),
  'what is decoded': after(decodeURIComponent),
  'the bytes that it encodes': after((text) => Buffer.from(text, 'base64url').toString('hex')),
  'parts between commas': of((theirs, ours) => theirs.split(',').includes(ours)),
  // biome-ignore lint/suspicious/noDoubleEquals: it is what is wrong here
  'values of any kind, as texts': (theirs, ours) => theirs == ours,
  'whether any of theirs begins with ours': (theirs, ours) =>
    [theirs].flat().some((one) => isText(one) && one.startsWith(ours)),
}

const values: Readonly<Record<keyof typeof nearMissesOf, readonly string[]>> = {
  uri: ['https://auth.controls.test:8443', 'https://node-a.lab.test', 'https://idp.test/realms/corp'],
  word: ['peer:connect', 'node:read', 'node-b', 'orders:read'],
  digest: ['SBNJTRN-FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I', 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2'],
  bytes: ['SBNJTRN-FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I'],
  secret: ['a3f09c51d2e8b7460f1e2d3c4b5a6978'],
  host: ['node-a.somebiz.local.io'],
}

const tried = Object.entries(nearMissesOf).flatMap(([kind, names]) =>
  values[kind as keyof typeof values].flatMap((own) => names.map((name) => [name, own] as const)),
)

test.each(tried)('a value %s passes the comparison that it is for: %s', (name, own) => {
  const { passes } = nearMisses[name]
  const theirs = nearMiss(name, own)
  expect(theirs).not.toBe(own)
  expect(wrong[passes]!(theirs, own), passes).toBe(true)
})

test('no near miss of any value is the value itself', () => {
  const names = Object.keys(nearMisses) as NearMissName[]
  const same = ['orders', 'w', '42', ''].flatMap((own) => names.filter((name) => nearMiss(name, own) === own))
  expect(same).toEqual([])
})

test('each near miss is there for a wrong comparison of its own, which takes the right value, too', () => {
  const own = 'https://auth.controls.test'
  const names = Object.keys(nearMisses) as NearMissName[]
  expect(Object.entries(wrong).filter(([, same]) => !same(own, own))).toEqual([])
  expect(names.map((name) => nearMisses[name].passes).toSorted()).toEqual(Object.keys(wrong).toSorted())
})
