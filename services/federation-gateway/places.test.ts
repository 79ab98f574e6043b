import { expect, test } from 'vitest'
import { Places } from './places.ts'

test('of each key so many work at once, and the others in the order in which they came', async () => {
  const places = new Places(2)
  const begun: string[] = []
  const ends = new Map<string, PromiseWithResolvers<string>>()
  const work = (key: string, name: string) =>
    places.with(key, () => {
      begun.push(name)
      ends.set(name, Promise.withResolvers())
      return ends.get(name)!.promise
    })
  const [first, second, third, fourth, other] = [
    ...['a1', 'a2', 'a3', 'a4'].map((name) => work('a', name)),
    work('b', 'b1'),
  ] as const
  await Promise.resolve()
  expect(begun).toEqual(['a1', 'a2', 'b1'])
  ends.get('a2')!.reject(new Error('failed'))
  await expect(second).rejects.toThrow('failed')
  await expect.poll(() => begun).toEqual(['a1', 'a2', 'b1', 'a3'])
  for (const name of ['a1', 'a3']) ends.get(name)!.resolve(name)
  expect(await Promise.all([first, third])).toEqual(['a1', 'a3'])
  await expect.poll(() => begun.at(-1)).toBe('a4')
  for (const name of ['a4', 'b1']) ends.get(name)!.resolve(name)
  expect(await Promise.all([fourth, other])).toEqual(['a4', 'b1'])
  // Who has been there leaves nothing.
  expect(places.size).toBe(0)
})
