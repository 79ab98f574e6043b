import { expect, runningOn, type ScenarioSite, scenario, verify, verifyPlanted } from 'holdfast/vitest'
import { keep, run } from '../files.ts'
import { demandRefused, worker } from '../handed.ts'
import { natsOrchestrator, places } from '../verification.ts'
import { runsAs, users } from './several-users.ts'

const test = scenario('./several-users.ts', { own: true, needs: ['ownUsers'] })
const { steps } = natsOrchestrator
/** By its number: no unit runs as this one, and it need not be known. */
const other = '65533'
const key = 'key.pem'

test('each program runs as the user of its unit, and what one makes comes to the other: T1 to T8 hold', async ({
  site,
}) => {
  const running = runningOn(site)
  for (const [node, units] of Object.entries(runsAs)) {
    for (const [name, user] of Object.entries(units)) {
      const pid = running.get(`${node}/${name}`)
      // Else it came to its end.
      if (pid !== undefined)
        expect((await run(site, node, 'ps', '-o', 'user=', '-p', `${pid}`)).trim(), name).toBe(user)
    }
  }
  const services = [...running.keys()].filter((unit) => !unit.endsWith('-companion'))
  expect(services).toHaveLength(6)
  const { red, marker } = await verify(steps, site)
  expect(red).toEqual({})
  expect(marker).toBeDefined()
})

test.for<[string, string, string, string]>([
  ['nats-1', `${places.shared}/admin_user.creds`, users.keys, users.broker],
  ['nats-1', 'units/auth-callout/setup/response.nk', users.callout, users.broker],
  ['nats-1', 'units/nats-server/setup/HOLO.jwt', users.broker, users.callout],
  ['nats-1', `credentials/cert-nats-1/${key}`, users.broker, users.callout],
  ['orchestrator', worker, users.orchestrator, users.host],
  ['orchestrator', `${places.installed}/admin_user.creds`, users.orchestrator, users.host],
])('%s, %s: %s reads it, and %s does not', async ([node, path, reader, stranger], { site }) => {
  expect(await readAs(site, node, reader, path)).toMatchObject({ code: 0 })
  const refused = await readAs(site, node, stranger, path)
  expect(refused).toMatchObject({ stdout: '', stderr: expect.stringContaining('Permission denied') })
  // Whoever is handed something reads it, and changes nothing of it.
  const written = await as(site, node, users.orchestrator, 'dd', 'if=/dev/null', `of=${worker}`, 'conv=notrunc')
  if (path === worker) expect(written.stderr).toContain('Permission denied')
})

test('a rotation comes to all of them', async ({ site }) => {
  const input = JSON.stringify({ overlapSeconds: 0, users: ['orchestrator_user', 'admin_user', 'callout_user'] })
  const { logs } = await site.tap('nats-1')
  expect(await site.node('nats-1').run('nats-creds-rotate', { input })).toMatchObject({ code: 0, stderr: '' })

  const isTaken = () => logs().some((line) => line.includes('"keys-taken"') && line.includes('"generation":2'))
  await site.until('the callout has its new keys', isTaken, { withinMs: 10_000 })
  const isGreen = async () => (await verify(steps, site)).marker
  expect(await site.until('T1 to T8 hold again', isGreen, { withinMs: 20_000 })).toBeDefined()
})

test.for<[what: string, guard: string, reason: string, ...change: string[]]>([
  ['a file is of somebody else', 'creds.file', 'file_owner_invalid', 'chown', other, worker],
  ['a file is of its receiver', 'creds.file', 'file_owner_invalid', 'chown', users.orchestrator, worker],
  ['a group may write a file', 'creds.file', 'file_mode_invalid', 'chmod', '660', worker],
  ['the folder is of somebody else', 'creds.folder', 'folder_owner_invalid', 'chown', other, `${places.arrived}/`],
  ['the folder is of another group', 'creds.folder', 'folder_owner_invalid', 'chgrp', other, `${places.arrived}/`],
])('where %s, it is not taken over', async ([, guard, reason, ...change], { site }) => {
  await demandRefused(site, [guard, reason], async () => {
    await run(site, 'orchestrator', ...change)
    const folder = `${places.arrived}/`
    return async () => {
      await run(site, 'orchestrator', 'chown', `${users.keys}:${users.orchestrator}`, folder)
      // A change of its owner takes the bit away by which files are of its group.
      await run(site, 'orchestrator', 'chmod', '2750', folder)
    }
  })
})

test.for([
  ['orchestrator', 'orchestrator', 'units/creds-intake/nats-creds/admin_user.creds'],
  ['host-1', 'host-agent', 'units/sentinel-intake/nats-creds/auth_guard.creds'],
] as const)('%s does not start with what is of somebody else', async ([name, unit, path], { site }) => {
  const node = site.node(name)
  const tap = await site.tap(name)
  await node.stop(unit)
  const undo = await keep(site, name, path)
  await run(site, name, 'chown', other, path)

  await expect(node.start(unit)).rejects.toThrow(/not ready/)

  const refusals = await tap.decisions({ unit, verdict: 'refused' })
  expect(refusals).toMatchObject([{ layer: 'start-up', guard: 'creds.file', reason: 'file_owner_invalid' }])
  await undo()
  await node.start(unit)
})

test('T2 turns red where a file on the host of the broker is of somebody else', async ({ site }) => {
  const step = 'T2 credentials on the host of the broker'
  const path = `${places.shared}/admin_user.creds`
  const defect = {
    ...{ what: 'a file of somebody else', step },
    found: new RegExp(`^owner of shared-creds/admin_user.creds is ${other}, and must be \\d+$`),
    plant: async () => {
      const undo = await keep(site, 'nats-1', path)
      await run(site, 'nats-1', 'chown', other, path)
      return undo
    },
  }
  const { red, problems } = await verifyPlanted(steps, defect, site)

  expect(Object.keys(red)).toEqual([step])
  expect(problems).toEqual([])
})

function as(site: ScenarioSite, node: string, user: string, ...argv: readonly string[]) {
  return site.node(node).exec(['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--', ...argv])
}

function readAs(site: ScenarioSite, node: string, user: string, path: string) {
  return as(site, node, user, 'sh', '-c', 'cat "$0" > /dev/null', path)
}
