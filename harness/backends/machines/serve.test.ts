import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test, vi } from 'vitest'
import { idlePlan } from '../fixtures/plans.ts'
import { Faults } from './faults.ts'
import { machinesHere } from './fixtures/ground.ts'
import { callWithKey, readKey } from './key-stream.ts'
import { ask, untilServed } from './led-agents.ts'
import { machinesOf, readMachines } from './machines-file.ts'

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

test('what is asked leads out of no folder, and the folder of runs is its owner’s alone', async () => {
  const { machines, keyFile } = await here('one')
  const to = { node: 'one', key: await readKey(keyFile), machine: machines.one! }

  for (const run of ['../up', '', 'a/b', '..']) {
    await expect(ask(to, { op: 'sweep', run })).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_REFUSED' })
  }
  await expect(ask(to, { op: 'sweep', run: 'nothing-000000' })).resolves.toBe(0)
  expect((await stat(machines.one!.dir)).mode & 0o777).toBe(0o700)
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

test('`holdfast serve` says where it listens, and ends with a signal', async () => {
  const made = await folder()
  const key = join(made, 'key')
  await writeFile(key, randomBytes(32).toString('hex'), { mode: 0o600 })
  const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts')
  const argv = [main, 'serve', '--listen', '127.0.0.1:0', '--key', key, '--dir', join(made, 'runs')]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  const [line] = (await once(createInterface({ input: child.stderr }), 'line')) as [string]
  const [, port] = /serving +127\.0\.0\.1:(\d+), for whoever has the key in/.exec(line) ?? []
  const stream = await callWithKey(await readKey(key), { address: '127.0.0.1', port: Number(port) })
  stream.destroy()

  child.kill('SIGTERM')
  expect(await once(child, 'close')).toEqual([143, null])
})
