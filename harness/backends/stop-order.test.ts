import { expect, test } from 'vitest'
import { oneshot, planOf, webUnit } from './fixtures/plans.ts'
import { startOrder, stopInReverse } from './stop-order.ts'

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

test('what a node starts again comes after what it waits for: services, and what is kept up to date, and nothing that was done', () => {
  const receive = (more: object) => [
    { receive: { from: 'two', source: { file: '@{dir}/x' }, to: { path: '@{dir}/x', mode: '0600' }, ...more } },
  ]
  const plan = planOf({
    one: [
      webUnit('one', { after: ['one/kept', 'one/below', 'two/web'] }),
      { ...oneshot('kept', ['one/once'], receive({ again: 'changed' })) },
      oneshot('once', [], receive({})),
      webUnit('one', { name: 'below', port: 8081 }),
    ],
    two: [webUnit('two')],
  })

  expect(startOrder(plan, 'one')).toEqual(['one/kept', 'one/below', 'one/web'])
})
