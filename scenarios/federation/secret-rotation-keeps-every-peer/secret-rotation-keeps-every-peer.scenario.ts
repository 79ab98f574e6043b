import { expect, putFile, putJsonFile, scenario } from 'holdfast/vitest'
import { lend } from '../asking.ts'
import { type Federation, federation, places } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

const previous = 'units/gateway/previous-secret'

interface Sealing {
  sealing: { previousFile?: string }
}

async function restart({ site }: Federation, change: (json: Sealing) => void): Promise<void> {
  const node = site.node('gateway-a')
  await node.stop('gateway')
  await putJsonFile<Sealing>(site, 'gateway-a', places.configuration, change)
  await node.start('gateway')
}

async function keys({ site }: Federation, word: 'status' | 'rotate') {
  const argv = ['service:federation-gateway', '--config', places.configuration, 'keys', word]
  const { code, stdout, stderr } = await site.node('gateway-a').exec(argv)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as { outdated?: number; resealed?: number; unopened?: unknown[] }
}

test('a new secret seals every key while peers are called, and the old one can go', async ({ federation, site }) => {
  const asking = [await lend(federation), await lend(federation, { subject: 'bob' }), await lend(federation)]
  const node = site.node('gateway-a')
  const old = await node.readFile(places.sealingSecret)
  const read = async () => {
    const replies = await Promise.all(asking.map(({ user, source }) => user.search('task', { source })))
    return replies.map(({ status, json }) => [status, (json as { _partial?: boolean })._partial])
  }
  const good = asking.map(() => [200, false])
  expect(await read()).toEqual(good)

  await putFile(site, 'gateway-a', previous, old)
  await putFile(site, 'gateway-a', places.sealingSecret, `${crypto.randomUUID()}${crypto.randomUUID()}`)
  await restart(federation, (json) => {
    json.sealing.previousFile = `${node.dir}/${previous}`
  })
  expect(await read()).toEqual(good)
  const before = await keys(federation, 'status')
  expect(before.outdated).toBeGreaterThanOrEqual(asking.length)

  const [answers, state] = [[] as unknown[], { isOver: false }]
  const traffic = (async () => {
    while (!state.isOver) answers.push(...(await read()))
  })()
  const rotated = await Promise.all([keys(federation, 'rotate'), keys(federation, 'rotate')]).finally(() => {
    state.isOver = true
  })
  await traffic
  expect(rotated.reduce((sum, { resealed = 0 }) => sum + resealed, 0)).toBe(before.outdated)
  expect(rotated.flatMap(({ unopened = [] }) => unopened)).toEqual([])
  expect(new Set(answers.map(String))).toEqual(new Set(['200,false']))
  expect(await keys(federation, 'rotate')).toMatchObject({ resealed: 0 })
  expect(await keys(federation, 'status')).toMatchObject({ outdated: 0 })

  await restart(federation, (json) => {
    delete json.sealing.previousFile
  })
  expect(await read()).toEqual(good)
})
