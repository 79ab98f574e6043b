import { expect, test } from 'vitest'
import { oneshot, planOf, webUnit } from './fixtures/plans.ts'
import { stopInReverse } from './stop-order.ts'

const plan = planOf({
  ca: [webUnit('ca')],
  one: [oneshot('cert', ['ca/web'], []), webUnit('one', { after: ['one/cert'] })],
  two: [webUnit('two', { after: ['one/web'] }), webUnit('two', { name: 'free' })],
})

test('a service stops after everything that waits for it, also by way of oneshots', async () => {
  const stopped: string[] = []

  const failures = await stopInReverse(plan, async (ref) => void stopped.push(ref))

  expect(failures).toEqual([])
  expect([...stopped].sort()).toEqual(['ca/web', 'one/web', 'two/free', 'two/web'])
  expect(stopped.filter((ref) => ref !== 'two/free')).toEqual(['two/web', 'one/web', 'ca/web'])
})

test('a failure does not keep the others from being stopped', async () => {
  const stopped: string[] = []

  const failures = await stopInReverse(plan, async (ref) => {
    if (ref === 'two/web') throw new Error('no')
    stopped.push(ref)
  })

  expect(failures.map(({ message }) => message)).toEqual(['could not stop two/web'])
  expect(stopped).toEqual(expect.arrayContaining(['ca/web', 'one/web', 'two/free']))
})
