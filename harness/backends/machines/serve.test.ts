import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test, vi } from 'vitest'
import { idlePlan, oneshot, planOf, webUnit } from '../fixtures/plans.ts'
import { Faults } from './faults.ts'
import { machinesHere } from './fixtures/ground.ts'
import { machinesBackendOf } from './index.ts'
import { callWithKey, readKey } from './key-stream.ts'
import { ask, startAgents, takeLead, untilServed } from './led-agents.ts'
import { machinesOf, readMachines } from './machines-file.ts'
import { serveMachine } from './serve.ts'

async function here(...names: string[]) {
  const machines = await machinesHere(names)
  onTestFinished(() => machines[Symbol.asyncDispose]())
  return machines
}

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'holdfast-machines-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

test('a machine hears those who have its key, and nobody else', async () => {
  const { machines, keyFile } = await here('one')
  const key = await readKey(keyFile)

  const stream = await callWithKey(key, machines.one!)
  stream.destroy()
  await expect(callWithKey(randomBytes(32), machines.one!)).rejects.toThrow(/decrypt error|bad record mac|alert/i)
})

test('who does not say in time that he has the key is hung up on', async () => {
  const silent = await here('one')
  const { address, port } = silent.machines.one!
  const stream = net.connect(port, address)
  const [at] = [performance.now(), await once(stream, 'connect')]
  stream.resume()
  await once(stream, 'close', { signal: AbortSignal.timeout(15_000) })
  expect(performance.now() - at).toBeGreaterThan(9_000)
}, 20_000)

test('what is asked leads out of no folder, and the folder of runs is its owner’s alone', async () => {
  const { machines, keyFile } = await here('one')
  const to = { node: 'one', key: await readKey(keyFile), machine: machines.one! }

  for (const run of ['../up', '', 'a/b', '..']) {
    await expect(ask(to, { op: 'sweep', run })).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_REFUSED' })
  }
  await expect(ask(to, { op: 'sweep', run: 'nothing-000000' })).resolves.toBe(0)
  expect((await stat(machines.one!.dir)).mode & 0o777).toBe(0o700)
})

test('what is asked for is done for files of the run alone, and what nobody knows is refused', async () => {
  const { machines, keyFile } = await here('one')
  const to = { node: 'one', key: await readKey(keyFile), machine: machines.one! }
  const run = 'lab-000001'
  const { dir } = machines.one!
  await mkdir(join(dir, run))
  await writeFile(join(dir, run, 'log'), 'told')

  const read = (path: string) => ask(to, { op: 'read', run, path })
  await expect(read(join(dir, run, 'log'))).resolves.toBe('told')
  await expect(read(join(dir, run, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  for (const path of [keyFile, `${dir}/${run}/../../key`]) {
    await expect(read(path)).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_REFUSED' })
  }
  await expect(ask(to, { op: 'dance', run } as never)).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_REFUSED' })
})

test('no run is kept where others could exchange its keys, nor what a server that was killed left', async () => {
  const dir = await folder()
  const serve = () => serveMachine({ address: '127.0.0.1', port: 0, key: randomBytes(32), dir })
  for (const name of ['lab-000002', 'somebody-elses']) await mkdir(join(dir, name))
  await (await serve())[Symbol.asyncDispose]()
  expect(await readdir(dir)).toEqual(['somebody-elses'])

  await chmod(dir, 0o777)
  await expect(serve()).rejects.toMatchObject({
    code: 'HOLDFAST_SERVED_FOLDER',
    message: `${dir} can be written by others, so others could put their own files in the place of keys; name a folder of yours with --dir`,
  })
  expect((await stat(dir)).mode & 0o777).toBe(0o777)
})

/** A site of one node with a key, of which a copy lies at `outside` for as long as the run goes on. */
async function siteWithKey() {
  const machines = await here('one')
  const made = await folder()
  const outside = join(made, 'key')
  const steps = [{ copy: { from: '@{unit}/key', to: { path: outside, mode: '0600' }, forRun: true } }] as const
  const units = [webUnit('one'), oneshot('copies', [], [...steps], [{ path: '@{unit}/key', text: 'a key' }])]
  const backend = machinesBackendOf(() => readMachines(machines.file))
  const site = await backend.launch(planOf({ one: units }), { evidence: join(made, 'evidence') })
  onTestFinished(() => site[Symbol.asyncDispose]().then(undefined, () => {}))
  return { site, machines, outside, dir: machines.machines.one!.dir }
}

test('a site that is released leaves nothing: no connection, no folder, no copy outside of it', async () => {
  const connections = () => process.getActiveResourcesInfo().filter((name) => /TLS|TCPSocket/.test(name))
  const before = connections()
  const { site, outside, dir } = await siteWithKey()
  expect(await readFile(outside, 'utf8')).toBe('a key')
  await site[Symbol.asyncDispose]()

  await expect(readFile(outside)).rejects.toThrow('ENOENT')
  expect(await readdir(dir)).toEqual([])
  await expect.poll(connections).toEqual(before)
})

test('who led agents and is gone, leaves nothing either, though they had ended before him', async () => {
  const { machines, keyFile } = await here('one')
  const { dir } = machines.one!
  const to = { node: 'one', key: await readKey(keyFile), machine: machines.one! }
  const run = 'lab-000003'
  const start = { plan: planOf({ one: [] }), settings: { run, dirs: {} } as never }
  const lead = await takeLead(to, run)
  // Without a folder for its node, the agent ends at once.
  const agents = startAgents(to, { run, nodes: ['one'] }, start)
  agents.output.resume()
  agents.errors.resume()
  expect((await agents.ended).code).toBeGreaterThan(0)
  expect(await readdir(dir)).toEqual([run])
  agents.letGo()
  lead.destroy()

  await expect.poll(() => readdir(dir)).toEqual([])
})

test('a machine that is served no more keeps nothing of the runs that were led there', async () => {
  const { machines, outside, dir } = await siteWithKey()
  await machines.stop()

  expect(await readdir(dir)).toEqual([])
  await expect(readFile(outside)).rejects.toThrow('ENOENT')
})

test('a key that others can read, or that is none, is refused with what to do', async () => {
  const file = join(await folder(), 'key')
  await writeFile(file, randomBytes(32).toString('hex'), { mode: 0o600 })
  await expect(readKey(file)).resolves.toHaveLength(32)
  await chmod(file, 0o640)
  await expect(readKey(file)).rejects.toMatchObject({
    code: 'HOLDFAST_KEY_UNUSABLE',
    message: `${file} has mode 0640; write 64 hexadecimal digits into a file of mode 0600`,
  })
  await writeFile(file, 'secret')
  await chmod(file, 0o600)
  await expect(readKey(file)).rejects.toThrow('holds no such key')
})

test('a machine that nobody serves is waited for, and then named with the last answer', async () => {
  const { machines, keyFile } = await here('one')
  const reach = { node: 'one', key: await readKey(keyFile), machine: { ...machines.one!, port: 1 } }

  await expect(untilServed([reach], 200)).rejects.toMatchObject({
    code: 'HOLDFAST_MACHINE_SILENT',
    message: expect.stringMatching(
      /^the machine of one did not answer on 127\.\S+:1 within 0\.2 s \(last: .*ECONNREFUSED/,
    ),
  })
})

test('what takes a connection and says nothing is no machine, and is waited for no longer than it was said', async () => {
  const silent = net.createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void silent.close())
  await once(silent, 'listening')
  const machine = { address: '127.0.0.1', port: (silent.address() as AddressInfo).port }
  const reach = { node: 'one', key: randomBytes(32), machine }

  await expect(untilServed([reach], 200)).rejects.toMatchObject({
    code: 'HOLDFAST_MACHINE_SILENT',
    message: expect.stringContaining('(last: nobody there proved within 2 s that he has the key)'),
  })
  await expect(untilServed([reach], 60_000, AbortSignal.timeout(100))).rejects.toMatchObject({ name: 'TimeoutError' })
})

test('a plan with a node that has no machine, or no address in its network, is refused', async () => {
  const { file } = await here('one')
  const found = readMachines(file)!

  expect(machinesOf(idlePlan('one'), found)).toMatchObject({
    one: { addresses: { default: found.machines.one!.address } },
  })
  expect(() => machinesOf(idlePlan('one', 'two'), found)).toThrow(`${file} has no machine for two`)
  const apart = idlePlan('one')
  apart.nodes.one!.networks = ['left', 'right']
  expect(() => machinesOf(apart, found)).toThrow(`${file} gives one no address in right`)
})

test('what happens to machines is asked for of whoever has them, and an answer that does not come is told', async () => {
  const made = await folder()
  const answer = async (text: string) => {
    const [name] = await vi.waitUntil(async () => {
      const found = (await readdir(made)).filter((file) => file.endsWith('.request'))
      return found.length > 0 && found
    })
    const { id, ...request } = JSON.parse(await readFile(join(made, name!), 'utf8'))
    await rm(join(made, name!))
    await writeFile(join(made, `${id}.answer`), text)
    return request
  }
  const faults = new Faults(made, 10_000)
  const cut = { op: 'cut', a: 'one', b: 'two', addresses: { one: ['192.0.2.1'], two: ['192.0.2.2'] } } as const

  const [asked] = await Promise.all([answer('done\n'), faults.ask(cut)])
  expect(asked).toEqual(cut)
  const refused = expect(faults.ask({ op: 'heal' })).rejects.toMatchObject({
    code: 'HOLDFAST_FAULT_UNSERVED',
    message: expect.stringContaining('{"op":"heal"}: no such rule'),
  })
  await Promise.all([answer('no such rule\n'), refused])
  await expect(new Faults(made, 100).ask({ op: 'heal' })).rejects.toThrow('nobody answered within 0.1 s')
  expect(await readdir(made)).toEqual([])
})

/** `holdfast serve` as a process of its own. `before`: program and arguments that start it. */
async function served(...before: string[]) {
  const made = await folder()
  const key = join(made, 'key')
  await writeFile(key, randomBytes(32).toString('hex'), { mode: 0o600 })
  const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts')
  const own = [process.execPath, main, 'serve', '--listen', '127.0.0.1:0', '--key', key, '--dir', join(made, 'runs')]
  const [program = '', ...argv] = [...before, ...own]
  const child = spawn(program, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: child.stderr }), 'line')) as [string]
  const [, port] = /serving +127\.0\.0\.1:(\d+), for whoever has the key in/.exec(line) ?? []
  return { child, key: await readKey(key), place: { address: '127.0.0.1', port: Number(port) } }
}

test('so many connections that no more can be accepted end no server, and who has the key is heard after them', async () => {
  const { child, key, place } = await served('sh', '-c', 'ulimit -n 64 && exec "$@"', 'sh')
  const flood = Array.from({ length: 70 }, () => net.connect(place.port, place.address))
  for (const one of flood) one.on('error', () => {})
  await Promise.all(flood.map((one) => once(one, 'connect')))
  await expect(callWithKey(key, place, { withinMs: 500 })).rejects.toThrow()
  for (const one of flood) one.destroy()

  const stream = await vi.waitUntil(() => callWithKey(key, place).catch(() => undefined), { timeout: 20_000 })
  stream.destroy()
  expect(child.exitCode).toBeNull()
})

test('`holdfast serve` says where it listens, and ends with a signal', async () => {
  const { child, key, place } = await served()
  const stream = await callWithKey(key, place)
  stream.destroy()

  child.kill('SIGTERM')
  expect(await once(child, 'close')).toEqual([143, null])
})
