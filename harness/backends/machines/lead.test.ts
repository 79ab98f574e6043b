import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import net, { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import { idlePlan, planOf, webUnit } from '../fixtures/plans.ts'
import { driverIn } from './fixtures/driver.ts'
import { type MachinesHere, machinesHere } from './fixtures/ground.ts'
import { machinesBackendOf } from './index.ts'
import { readKey } from './key-stream.ts'
import { type Bounds, keepAlive, Lead } from './lead.ts'
import { ask, takeLead } from './led-agents.ts'
import { readMachines } from './machines-file.ts'

async function here(names: readonly string[], bounds?: Bounds): Promise<MachinesHere> {
  const machines = await machinesHere(names, {}, bounds)
  onTestFinished(() => machines[Symbol.asyncDispose]())
  return machines
}

async function evidence() {
  const made = await mkdtemp(join(tmpdir(), 'holdfast-lead-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return { evidence: join(made, 'evidence') }
}

const webPlan = (...names: string[]) => planOf(Object.fromEntries(names.map((name) => [name, [webUnit(name)]])))

test('who comes second is refused by the name of the run that leads, disturbs nothing, and has his turn once that has ended', async () => {
  const { file } = await here(['one'])
  const backend = machinesBackendOf(() => readMachines(file))
  const first = await backend.launch(webPlan('one'), await evidence())

  const connections = () => process.getActiveResourcesInfo().filter((name) => /TLS|TCPSocket/.test(name))
  const before = connections()
  await expect(backend.launch(webPlan('one'), await evidence())).rejects.toMatchObject({
    code: 'HOLDFAST_MACHINE_LED',
    message: `one: ${first.run} has the lead, and one run has a machine at a time; wait until it has ended, or type: holdfast down ${first.run}`,
  })
  await expect.poll(connections).toEqual(before)
  expect((await first.node('one').exec(['node', '-p', '1'])).stdout).toBe('1\n')
  expect(first.events()).not.toContainEqual(expect.objectContaining({ event: 'agent-gone' }))
  await first[Symbol.asyncDispose]()

  await using third = await backend.launch(webPlan('one'), await evidence())
  expect((await third.node('one').exec(['node', '-p', '3'])).stdout).toBe('3\n')
})

test('without the lead there are no agents, hosts or seats; with it there are, and what somebody led is gone with him before the next one leads', async () => {
  const { machines, keyFile } = await here(['one'])
  const to = { node: 'one', key: await readKey(keyFile), machine: machines.one! }
  const [run, other] = ['lab-000004', 'lab-000005']
  const hosts = (of: string) => ask(to, { op: 'hosts', run: of }, { one: '192.0.2.1 one.lab.test\n' })

  await expect(hosts(run)).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_UNLED' })
  const lead = await takeLead(to, run)
  await expect(hosts(run)).resolves.toBe(true)
  await expect(hosts(other)).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_LED' })
  await expect(takeLead(to, other)).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_LED' })
  expect(await readdir(machines.one!.dir)).toEqual([run])

  lead.destroy()
  const next = await vi.waitUntil(() => takeLead(to, other).catch(() => undefined))
  expect(await readdir(machines.one!.dir)).toEqual([])
  next.destroy()
})

/** Stands between a coordinator and a machine. `loseHosts`: as if the one side had lost its power, the other hears nothing, no end either. */
async function between(to: { address: string; port: number }) {
  const streams: Socket[] = []
  let isDead = false
  const loseHosts = (lost = true) => {
    isDead = lost
  }
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ host: to.address, port: to.port, allowHalfOpen: true })
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      streams.push(from)
      from.on('error', () => {})
      from.on('data', (chunk) => !isDead && other.write(chunk))
      from.on('end', () => !isDead && other.end())
      from.once('close', () => !isDead && other.destroySoon())
    }
  })
  server.listen(0, to.address)
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const stream of streams) stream.destroy()
  })
  return { port: (server.address() as AddressInfo).port, loseHosts }
}

test('a machine whose leader has lost his power keeps nothing of what he led, within its bound; as long as he speaks, it goes on', async () => {
  const bounds = { beatMs: 100, silentMs: 2_000 }
  const { file, machines } = await here(['one'], bounds)
  const { port, loseHosts } = await between(machines.one!)
  const found = () => ({ ...readMachines(file)!, machines: { one: { ...machines.one!, port } } })
  const site = await machinesBackendOf(found, bounds).launch(webPlan('one'), await evidence())
  onTestFinished(() => site[Symbol.asyncDispose]().then(undefined, () => {}))
  const began = performance.now()
  await vi.waitUntil(() => performance.now() - began > 1.5 * bounds.silentMs, { timeout: 10_000 })
  expect(await readdir(machines.one!.dir)).toEqual([site.run])
  expect((await site.node('one').exec(['node', '-p', '1'])).stdout).toBe('1\n')

  const dead = performance.now()
  loseHosts()
  await expect.poll(() => readdir(machines.one!.dir), { timeout: 10_000 }).toEqual([])
  expect(performance.now() - dead).toBeGreaterThan(bounds.silentMs - 2 * bounds.beatMs)
  // And whoever led it learns that it says nothing more.
  await vi.waitUntil(() => site.events().some(({ event }) => event === 'agent-gone'), { timeout: 10_000 })
  loseHosts(false)
}, 40_000)

test('who is silent for too long is hung up on, and who says something now and then is not', async () => {
  const [quiet, heard] = [
    new Duplex({ read() {}, write: (_, __, done) => done() }),
    new Duplex({ read() {}, write: (_, __, done) => done() }),
  ]
  for (const stream of [quiet, heard]) keepAlive(stream, { beatMs: 10, silentMs: 200 })
  const speaking = setInterval(() => heard.push('\n'), 10)
  onTestFinished(() => clearInterval(speaking))

  await once(quiet, 'close')
  expect(heard.destroyed).toBe(false)
  heard.destroy()
})

test('who comes while all of one who has gone is removed waits for that, and is not refused', async () => {
  const removing = Promise.withResolvers<void>()
  const lead = new Lead(() => removing.promise)
  const [gone, next] = [new PassThrough(), new PassThrough()]
  await lead.give('lab-000007', gone)
  gone.destroy()
  await once(gone, 'close')

  const told: string[] = []
  const given = lead.give('lab-000008', next).then(() => told.push('given'))
  expect(() => lead.demand('lab-000008')).toThrow(expect.objectContaining({ code: 'HOLDFAST_MACHINE_LED' }))
  told.push('removed')
  removing.resolve()
  await given
  expect(told).toEqual(['removed', 'given'])
  lead.demand('lab-000008')
})

/** Machines that somebody does everything with that is asked for. */
async function driven(...names: string[]) {
  const machines = await here(names)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-driver-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const driver = driverIn(folder, (request) =>
    request.op === 'freeze' && request.node === 'three' ? 'no such machine' : 'done',
  )
  onTestFinished(() => driver[Symbol.asyncDispose]())
  const backend = machinesBackendOf(() => readMachines(machines.file))
  return { machines, folder, driver, backend }
}

test('what a run did to machines is asked of whoever has them, and undone when it ends', async () => {
  const { machines, folder, driver, backend } = await driven('one', 'two', 'three')
  await machines.write({ faults: { folder, ownKernel: true } })
  const site = await backend.launch(idlePlan('one', 'two', 'three'), {
    ...(await evidence()),
    clock: 'movable',
    partition: true,
  })
  // Nothing that is left of another run, and where all clocks begin.
  const begun = driver.asked.splice(0)
  const clocks = ['one', 'two', 'three'].map((node) => ({ op: 'clock', node, seconds: 0 }))
  expect(begun).toEqual([{ op: 'heal' }, ...clocks])

  await site.clock('two').shift(86_400)
  await site.partition('one', 'two')
  await site.machine('two').block()
  await site.machine('two').freeze()
  await site.machine('one').crash()
  expect(site.events()).toContainEqual(expect.objectContaining({ event: 'agent-gone', node: 'one', signal: 'SIGKILL' }))
  await expect(site.node('one').exec(['true'])).rejects.toMatchObject({ code: 'HOLDFAST_AGENT_GONE' })
  await expect(site.machine('one').start()).rejects.toMatchObject({
    code: 'HOLDFAST_MACHINE_EMPTY',
    message: expect.stringContaining('the machine of one keeps nothing of a run without power'),
  })
  await expect(site.machine('three').freeze()).rejects.toMatchObject({
    code: 'HOLDFAST_FAULT_UNSERVED',
    message: expect.stringContaining('{"op":"freeze","node":"three"}: no such machine'),
  })
  const done = driver.asked.splice(0)
  expect(done.map(({ op }) => op)).toEqual(['clock', 'cut', 'block', 'freeze', 'crash', 'freeze'])
  await site[Symbol.asyncDispose]()

  const undone = driver.asked.map((request) => ('node' in request ? `${request.op} ${request.node}` : request.op))
  expect(undone.toSorted()).toEqual(['clock two', 'heal', 'start one', 'thaw three', 'thaw two', 'unblock two'])
  expect(undone.indexOf('thaw two')).toBeLessThan(undone.indexOf('unblock two'))
})

test('what was on a machine that is gone is not there any more, and one that is there says itself what it has', async () => {
  const machines = await here(['one'])
  const backend = machinesBackendOf(() => readMachines(machines.file))
  const [run, file] = ['lab-000006', join(machines.machines.one!.dir, 'lab-000006', 'nodes', 'one', 'log')]
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, 'told')

  await expect(backend.readLeft({ run }, file)).resolves.toBe('told')
  await expect(backend.readLeft({ run }, `${file}s`)).rejects.toMatchObject({ code: 'ENOENT' })
  await machines.stop()
  await expect(backend.readLeft({ run }, file)).rejects.toMatchObject({
    code: 'ENOENT',
    message: expect.stringContaining('is on the machine of one, which cannot be reached: '),
  })
})

test('what nobody does with machines, they cannot be asked for, each with the reason', async () => {
  const { machines, folder, backend } = await driven('one', 'two')
  const able = () => [backend.capabilities.partition, backend.capabilities.ownKernel, backend.capabilities.ownClock]
  expect(able()).toEqual([false, false, false])
  await machines.write({ faults: { folder } })
  expect(able()).toEqual([true, false, false])
  await using site = await backend.launch(idlePlan('one', 'two'), { ...(await evidence()), partition: true })

  const why = 'whoever has the machines must do it (faults in their file)'
  await expect(site.machine('one').crash()).rejects.toThrow(`backend machines has no ownKernel; ${why}`)
  await expect(backend.launch(idlePlan('one'), { clock: 'movable' })).rejects.toThrow(
    `backend machines has no ownClock; ${why}`,
  )
  await site.partition('one', 'two')
})
