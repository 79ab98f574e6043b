import { expect, scenario } from 'holdfast/vitest'
import { type Asking, askAll } from '../asking.ts'
import { tokenOf } from '../cluster.ts'
import { newToken } from '../starting.ts'

const test = scenario('bearer-cluster')

test('bad ones are limited, good ones never', async ({ site }) => {
  const token = await tokenOf(site)
  const bad = newToken()
  const asked = Array.from(
    { length: 600 },
    (_, at): Asking => ({ to: 'orc-2', path: '/v1/auth', token: at % 10 === 9 ? token : bad }),
  )
  const replies = await askAll(site, asked, { atOnce: 20 })
  const good = replies.filter((_, at) => at % 10 === 9)
  const others = replies.filter((_, at) => at % 10 !== 9)
  expect(new Set(good.map(({ status }) => status))).toEqual(new Set([200]))
  expect(new Set(others.map(({ status }) => status))).toEqual(new Set([401, 429]))
  const limited = others.filter(({ status }) => status === 429)
  expect(limited.every(({ headers }) => headers['retry-after'] === '1')).toBe(true)
  // At least the burst was heard.
  expect(others.length - limited.length).toBeGreaterThanOrEqual(100)

  // Elsewhere nobody noticed: the first bad one from another address is told what it is.
  const [other] = await askAll(site, [{ to: 'orc-2', path: '/v1/auth', token: bad }], { from: 'edge' })
  expect(other!.status).toBe(401)
})
