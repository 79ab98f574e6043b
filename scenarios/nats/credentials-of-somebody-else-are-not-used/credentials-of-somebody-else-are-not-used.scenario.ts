import { expect, scenario } from 'holdfast/vitest'
import { run } from '../files.ts'
import { demandRefused, worker } from '../handed.ts'

const test = scenario('nats-orchestrator', { own: true, needs: ['ownUsers'] })
/** Nobody, by its number: as most systems have it. */
const other = '65534'

test('nor are they taken over', async ({ site }) => {
  await demandRefused(site, ['creds.file', 'file_owner_invalid'], () =>
    run(site, 'orchestrator', 'chown', other, worker),
  )
})

test.for([
  ['orchestrator', 'orchestrator', 'units/creds-intake/nats-creds/admin_user.creds'],
  ['host-1', 'host-agent', 'units/sentinel-intake/nats-creds/auth_guard.creds'],
] as const)('%s does not start with them', async ([name, unit, path], { site }) => {
  const node = site.node(name)
  const tap = await site.tap(name)
  await node.stop(unit)
  await run(site, name, 'chown', other, path)

  await expect(node.start(unit)).rejects.toThrow(/not ready/)

  const refusals = await tap.decisions({ unit, verdict: 'refused' })
  expect(refusals).toMatchObject([{ layer: 'start-up', guard: 'creds.file', reason: 'file_owner_invalid' }])
  await run(site, name, 'chown', '0', path)
  await node.start(unit)
})
