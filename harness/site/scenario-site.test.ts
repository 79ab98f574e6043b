import { expect, test } from 'vitest'
import { fakeScenario } from './testing/fake-site.ts'

test('records of a connection are those of its call, even where an earlier one had the same address and port', async () => {
  await using scenario = await fakeScenario()
  const { fake, site } = scenario
  const read = () => site.call('b', 'b', 'b:read', fake.right())
  const [, second] = [await read(), await read()]
  const [before] = await fake.site.node('b').decisions()
  Object.assign(before!, { conn: second.conn })

  expect(await site.decisions('b', { conn: second.conn })).toEqual([second.decision])
  expect(await site.decisions('b')).toHaveLength(2)
})

test('what a test waits for, measures or lets live takes as much longer as its site is slow', async () => {
  await using scenario = await fakeScenario()
  const { site } = scenario
  expect(site.bound(100)).toBe(100)
  Object.assign(site.site, { slowness: 3 })

  expect(site.bound(100)).toBe(300)
  const began = performance.now()
  const never = site.until('what never comes', () => false, { withinMs: 40, everyMs: 10 })
  await expect(never).rejects.toThrow('not within 120 ms')
  expect(performance.now() - began).toBeGreaterThan(100)
  const accepted = await site.call('b', 'b', 'b:read', scenario.fake.right())
  expect(accepted.slowness).toBe(3)
})
