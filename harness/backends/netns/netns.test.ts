import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync } from 'node:fs'
import { readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { processesOf } from '../../agent/labelled.ts'
import { settings } from '../../settings.ts'
import { conformance } from '../conformance.ts'
import { planOf, webUnit } from '../fixtures/plans.ts'
import { usersMissing } from '../users.ts'
import { ground } from './fixtures/ground.ts'
import { netnsBackend } from './index.ts'

// A folder of runs of its own: sweeping here must not see the sites of other test files.
process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))
afterAll(() => rm(settings().runtimeDir, { recursive: true, force: true }))

conformance(ground)

const evidence = () => mkdtempSync(join(settings().runtimeDir, 'evidence-'))

/** The network namespaces of processes. */
async function networksOf(pids: readonly (number | string)[]): Promise<string[]> {
  const links = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/net`).catch(() => '')))
  return [...new Set(links.filter((link) => link !== ''))]
}

test('a node has a name, a network and a loopback of its own, and asks nobody outside', async () => {
  await using site = await netnsBackend.launch(planOf({ one: [webUnit('one')], two: [webUnit('two')] }), {
    evidence: evidence(),
  })
  const said = async (node: string, ...argv: string[]) => (await site.node(node).exec(argv)).stdout.trim()
  const [one, two] = await Promise.all(['one', 'two'].map((node) => said(node, 'readlink', '/proc/self/ns/net')))

  expect(await said('two', 'uname', '-n')).toBe('two')
  expect(one).not.toBe(two)
  expect([one, two]).not.toContain(await readlink('/proc/self/ns/net'))
  const look = `const dns = require('node:dns')
    dns.lookup('example.com', (failure) => dns.resolve4('example.com', (other) => console.log(failure.code, other.code)))`
  expect(await said('one', 'node', '-e', look)).toBe('ENOTFOUND ECONNREFUSED')
  const cross = `require('node:net').connect(8080, '127.0.0.1').on('error', ({ code }) => console.log(code))`
  expect(await said('one', 'node', '-e', cross)).toBe('ECONNREFUSED')
})

test('names are in the hosts file of each node, and nowhere else', async () => {
  await using site = await netnsBackend.launch(planOf({ one: [webUnit('one')] }), { evidence: evidence() })
  const { dir, host, address } = site.node('one')
  const pids = await processesOf({ run: site.run, unit: 'one/web' })
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')))

  expect(await site.node('one').readFile('/etc/hosts')).toContain(`${address} ${host}\n`)
  expect(await readdir(dirname(dirname(dir)))).not.toContain('hosts')
  expect(commands.join()).toContain('/web.ts')
  expect(commands.join()).not.toContain('preload')
})

test('no namespace is left when a site is released', async () => {
  const site = await netnsBackend.launch(planOf({ one: [webUnit('one')], two: [webUnit('two')] }), {
    evidence: evidence(),
  })
  await site.strangers(1)[0]!.connect({ address: site.node('one').address, port: 8080 })
  const made = await networksOf(await processesOf({ run: site.run }))
  await site[Symbol.asyncDispose]()
  const left = await networksOf((await readdir('/proc')).filter((name) => /^\d+$/.test(name)))

  // The switch, and one for each node.
  expect(made).toHaveLength(3)
  expect(left.filter((one) => made.includes(one))).toEqual([])
})

test('what is under way when nodes are cut off arrives soon after, on the connection that was there', async () => {
  await using site = await netnsBackend.launch(planOf({ one: [webUnit('one')], two: [webUnit('two')] }), {
    evidence: evidence(),
  })
  const heard: string[] = []
  await using listening = await site.node('two').seat.listen((stream) => {
    stream.on('data', (chunk) => heard.push(String(chunk)))
  })
  const { stream } = await site.node('one').seat.connect(listening)
  stream.write('before')
  await expect.poll(() => heard.join()).toBe('before')
  await site.partition('two', 'one')
  stream.write('meanwhile')
  await expect(
    site.node('two').seat.connect({ address: site.node('one').address, port: 8080 }, AbortSignal.timeout(2_000)),
  ).rejects.toThrow()
  expect(heard.join()).toBe('before')
  await site.heal()

  await expect.poll(() => heard.join(''), { timeout: 10_000 }).toBe('beforemeanwhile')
  stream.destroy()
})

const rootless = fileURLToPath(new URL('./fixtures/rootless.ts', import.meta.url))
const whyNotAsNobody = usersMissing()

test.skipIf(whyNotAsNobody)(
  `somebody who is not root has it, too, and stays who he is ${whyNotAsNobody ?? ''}`,
  async () => {
    const [nobody, folder] = [65_534, mkdtempSync(join(tmpdir(), 'holdfast-nobody-'))]
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    chownSync(folder, nobody, nobody)
    const as = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--']
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--conditions=holdfast-source', rootless]
    const env = { PATH: process.env.PATH, HOME: folder, HOLDFAST_RUNTIME_DIR: join(folder, 'runs') }
    const { stdout } = await promisify(execFile)('setpriv', [...as, ...node, join(folder, 'evidence')], {
      ...{ cwd: folder, env },
    })
    const { run, missing, found, ...seen } = JSON.parse(stdout) as Record<string, string>

    // Where the machine keeps users from it, that is what it says, with what to type.
    if (missing !== undefined)
      return void expect(missing).toMatch(/users may not make namespaces here .*(sysctl -w|run it as root)/)
    expect(seen).toEqual({
      uid: nobody,
      users: 'run it as root: a user namespace has no user but one',
      named: 'one',
      as: String(nobody),
      owner: String(nobody),
      called: true,
      byStranger: true,
      cut: 'TimeoutError',
      healed: true,
    })
    expect(found).toMatch(/^10\.77\.0\.2 .*two\.conformance\.test/)
    expect(await ground.leftovers(run!)).toEqual([])
  },
)
