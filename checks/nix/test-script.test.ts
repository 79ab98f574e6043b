import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Faults } from '../../harness/backends/machines/faults.ts'
import { root } from '../check.ts'
import { reasonOf } from './nix.ts'

// The script of every NixOS test is run here, over a driver that writes down what happens to machines.

const missing = await promisify(execFile)('python3', ['--version']).then(
  () => undefined,
  () => 'no python3 on PATH; Debian: apt-get install python3',
)
const withPython = test.skipIf(missing !== undefined)
const reason = reasonOf(missing)

/** Programs of the machines: each is written down with its arguments, and `date` tells the time, too. */
const programs: Readonly<Record<string, string>> = {
  iptables: '[ "$MACHINE $5" != "two 192.0.2.66" ]',
  systemctl: '',
  journalctl: 'echo what the scenarios said',
  // Two seconds pass with each look at a clock that is slow.
  date: 'case $1 in -s) ;; *) cat "$HERE/now"; [ ! -e "$HERE/slow" ] || echo $(($(cat "$HERE/now") + 2)) > "$HERE/now" ;; esac',
}

async function started(...nodes: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-driver-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'bin'))
  for (const [name, then] of Object.entries(programs)) {
    const script = `#!/bin/sh\necho "$MACHINE ${name} $*" >> "$HERE/log"\n${then}\n`
    await writeFile(join(folder, 'bin', name), script, { mode: 0o755 })
  }
  await writeFile(join(folder, 'now'), '1000\n')
  await mkdir(join(folder, 'runner', 'etc', 'holdfast'), { recursive: true })
  const machines = Object.fromEntries(
    nodes.map((node) => [node, { addresses: { left: '192.0.2.1', right: '192.0.2.2' } }]),
  )
  await writeFile(join(folder, 'runner', 'etc', 'holdfast', 'machines.json'), JSON.stringify({ machines }))
  const files = [join(import.meta.dirname, 'fixtures', 'fake-driver.py'), join(root, 'nix', 'lib', 'test-script.py')]
  const driver = spawn('python3', [...files, folder, ...nodes, 'runner'], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void driver.kill('SIGKILL'))
  const faultsDir = join(folder, 'runner', 'run', 'holdfast', 'faults')
  await vi.waitUntil(() => stat(faultsDir).catch(() => undefined), { timeout: 10_000 })
  let read = 0
  return {
    driver,
    folder,
    faultsDir,
    faults: new Faults(faultsDir, 10_000),
    /** What happened since it was last asked for. */
    async happened(): Promise<string[]> {
      const lines = (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n')
      const from = read
      read = lines.length
      return lines.slice(from)
    },
  }
}

async function ended(driver: ChildProcess, faultsDir: string, result: string) {
  const said = Promise.all([text(driver.stdout!), text(driver.stderr!)])
  await writeFile(join(faultsDir, 'ended.request'), JSON.stringify({ id: 'ended', op: 'ended', result }))
  const [code] = (await once(driver, 'close')) as [number]
  const [out, err] = await said
  return { code, out, err }
}

withPython(
  `machines are handed the key, wait for their agents, and end with what the scenarios said${reason}`,
  async () => {
    const { driver, folder, faultsDir, happened } = await started('one', 'two')
    const key = (node: string) => readFile(join(folder, node, 'run', 'holdfast', 'key'), 'utf8')
    expect(await key('one')).toMatch(/^[0-9a-f]{64}$/)
    expect(await key('runner')).toBe(await key('one'))
    expect((await stat(join(folder, 'one', 'run', 'holdfast', 'key'))).mode & 0o777).toBe(0o600)
    await vi.waitUntil(async () => (await readFile(join(folder, 'log'), 'utf8')).includes('systemctl'))
    expect(await happened()).toEqual([
      'all start',
      ...['runner', 'one', 'two'].map((name) => `${name} waits for multi-user.target`),
      ...['one', 'two'].map((name) => `${name} waits for holdfast-node.target`),
      'runner systemctl start --no-block holdfast-scenarios.service',
    ])

    expect(await ended(driver, faultsDir, 'success')).toEqual({ code: 0, out: 'what the scenarios said\n\n', err: '' })
  },
)

withPython(`a run of scenarios that failed fails the test, with what they said${reason}`, async () => {
  const { driver, faultsDir } = await started('one')
  const { code, err } = await ended(driver, faultsDir, 'exit-code')

  expect(code).toBe(1)
  expect(err).toContain('AssertionError: what the scenarios said')
})

withPython(
  `machines are cut off, lose their power, are unplugged, stopped, and set to another time${reason}`,
  async () => {
    const { driver, faults, faultsDir, folder, happened } = await started('one', 'two')
    const addresses = { one: ['192.0.2.1', '192.0.3.1'], two: ['192.0.2.2'] }
    await vi.waitUntil(async () => (await readFile(join(folder, 'log'), 'utf8')).includes('systemctl'))
    await happened()

    await faults.ask({ op: 'cut', a: 'one', b: 'two', addresses })
    expect(await happened()).toEqual([
      'one iptables -w -I INPUT -s 192.0.2.2 -j DROP',
      'two iptables -w -I INPUT -s 192.0.2.1 -j DROP',
      'two iptables -w -I INPUT -s 192.0.3.1 -j DROP',
    ])
    const key = await readFile(join(folder, 'one', 'run', 'holdfast', 'key'), 'utf8')
    await faults.ask({ op: 'crash', node: 'one' })
    // Its rules have gone with its power, and none is put on it.
    await faults.ask({ op: 'cut', a: 'two', b: 'one', addresses: { one: ['192.0.2.9'], two: ['192.0.2.2'] } })
    await faults.ask({ op: 'heal' })
    expect(await happened()).toEqual([
      'one crashes',
      'two iptables -w -I INPUT -s 192.0.2.9 -j DROP',
      ...['192.0.2.9', '192.0.3.1', '192.0.2.1'].map((address) => `two iptables -w -D INPUT -s ${address} -j DROP`),
    ])
    await faults.ask({ op: 'start', node: 'one' })
    expect(await happened()).toEqual([
      'one starts',
      'one waits for multi-user.target',
      'one waits for holdfast-node.target',
    ])
    expect(await readFile(join(folder, 'one', 'run', 'holdfast', 'key'), 'utf8')).toBe(key)

    for (const op of ['block', 'unblock', 'freeze', 'thaw'] as const) await faults.ask({ op, node: 'two' })
    expect(await happened()).toEqual([
      ...['off', 'on'].flatMap((state) => [1, 2].map((card) => `two monitor set_link virtio-net-pci.${card} ${state}`)),
      ...['two monitor stop', 'two monitor cont'],
    ])
    await faults.ask({ op: 'clock', node: 'two', seconds: 86_400 })
    expect(await happened()).toEqual(['runner date +%s.%N', 'two date -s @87400.000', 'runner date +%s.%N'])
    expect((await ended(driver, faultsDir, 'success')).code).toBe(0)
  },
)

withPython(`what cannot be done is told to who asked for it, and ends nothing${reason}`, async () => {
  const { driver, faults, faultsDir, folder } = await started('one', 'two')
  const cut = { op: 'cut', a: 'one', b: 'two', addresses: { one: ['192.0.2.66'], two: ['192.0.2.2'] } } as const

  await expect(faults.ask(cut)).rejects.toMatchObject({
    code: 'HOLDFAST_FAULT_UNSERVED',
    message: expect.stringContaining(
      'Exception: command `iptables -w -I INPUT -s 192.0.2.66 -j DROP` failed (exit code 1)',
    ),
  })
  await expect(faults.ask({ op: 'crash', node: "nobody's" })).rejects.toThrow(`KeyError: "nobody's"`)
  await expect(faults.ask({ op: 'dance' } as never)).rejects.toThrow("KeyError: 'dance'")
  await writeFile(join(folder, 'slow'), '')
  await expect(faults.ask({ op: 'clock', node: 'one', seconds: 60 })).rejects.toThrow('shells take too long to answer')
  await rm(join(folder, 'slow'))
  await faults.ask({ op: 'clock', node: 'one', seconds: 60 })
  await faults.ask({ op: 'heal' })
  expect((await ended(driver, faultsDir, 'success')).code).toBe(0)
})
