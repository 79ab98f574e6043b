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
