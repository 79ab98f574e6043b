import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { settings } from '../../settings.ts'
import type { Site } from '../backend.ts'
import { hostOf, planOf, webUnit } from '../fixtures/plans.ts'
import { ground } from './fixtures/ground.ts'
import { vmBackend } from './index.ts'

// What shows that machines run here at all; the whole suite takes many minutes where code is translated: npm run soak.

// A folder of runs of its own: sweeping here must not see the sites of other test files.
process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))
afterAll(() => rm(settings().runtimeDir, { recursive: true, force: true }))

/** What a process has had of the processors so far. */
function secondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Seconds of a processor that a billion steps of a random generator take (xorshift, Marsaglia 2003). */
function secondsOfComputing(): number {
  const before = process.cpuUsage()
  let state = 1
  for (let step = 0; step < 1e9; step++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
  }
  const { user, system } = process.cpuUsage(before)
  // Looked at, it cannot be left out.
  return state === 0 ? Number.NaN : (user + system) / 1e6
}

const missing = await vmBackend.unavailable()

if (missing !== undefined) test.skip(`[not on this machine] three machines: ${missing}`, () => {})

describe.skipIf(missing !== undefined)('three machines', () => {
  let site: Site
  let processorSeconds: number[]
  let computed: number

  beforeAll(async () => {
    const names = ['one', 'two', 'three']
    const plan = planOf(Object.fromEntries(names.map((name) => [name, [webUnit(name, { readyWithinMs: 60_000 })]])))
    // Its first launch makes images, and tries whether KVM boots.
    site = await vmBackend.launch(plan, { evidence: join(settings().runtimeDir, 'evidence'), clock: 'movable' })
    processorSeconds = [...ground.agents(site).values()].map(secondsOf)
    computed = secondsOfComputing()
  }, 600_000)
  afterAll(() => site?.[Symbol.asyncDispose]())

  /** What one node hears of another by its name. A connection that nothing comes of is given up after some seconds. */
  const heard = async (from: string, to: string) => {
    const options = `{ host: '${hostOf(to)}', port: 8080, path: '/ready', timeout: 5_000 }`
    const ask = `require('node:http').get(${options}, ({ statusCode }) => process.exit(void console.log(statusCode)))
      .on('timeout', () => process.exit(void console.log('nothing')))`
    return (await site.node(from).exec(['node', '-e', ask])).stdout.trim()
  }

  test('are ready for at most fifteen times of a processor what a fixed computation takes here, each', () => {
    // On the clock it is how busy the machine is, too; and a minute for all three is this, where a billion steps take 1.3 s.
    const each = processorSeconds.map((seconds) => seconds / computed)
    console.log(`processor time until ready: ${processorSeconds.join(', ')} s; of the computation: ${computed} s`)
    expect(Math.max(...each)).toBeLessThan(15)
  })

  test('have kernels of their own, and find each other by name until they are cut off', async () => {
    const boots = [...site.nodes.values()].map((node) => node.readFile('/proc/sys/kernel/random/boot_id'))
    expect(new Set(await Promise.all(boots)).size).toBe(3)
    expect(await heard('one', 'two')).toBe('200')
    await site.partition('one', 'two')
    expect(await Promise.all([heard('one', 'two'), heard('three', 'two')])).toEqual(['nothing', '200'])
    await site.heal()
    expect(await heard('one', 'two')).toBe('200')
    const told = site.events().flatMap((event) => (event.event === 'cut-off' ? [`${event.node} ${event.from}`] : []))
    expect(told).toEqual(['one two'])
  })

  test('are entered from a shell of this machine, whose words lead to the node', async () => {
    const { enter = [], dir, host } = site.node('one')
    const [program = '', ...argv] = [...enter, 'sh', '-c', 'uname -n; pwd; exit 3']
    const ended = promisify(execFile)(program, argv)
    await expect(ended).rejects.toMatchObject({ code: 3, stdout: `${host}\n${dir}\n` })
  })

  test('are called from each other’s seats, and by strangers', async () => {
    const { address } = site.node('two')
    for (const seat of [site.node('one').seat, site.strangers(1)[0]!]) {
      const { stream, conn } = await seat.connect({ address, port: 8080 })
      stream.end('GET /caller HTTP/1.1\r\nHost: two\r\nConnection: close\r\n\r\n')
      expect(await text(stream)).toContain(JSON.stringify({ caller: conn }))
      expect(conn.startsWith(`${seat.address}:`)).toBe(true)
    }
  })

  test('go by clocks of their own, in step with this machine’s until they are moved', async () => {
    /** How far the clock of a node is from so many seconds ahead; 0 while that may be the time that it takes to ask. */
    const offMs = async (node: string, ahead: number) => {
      const before = Date.now()
      const now = Number((await site.node(node).exec(['node', '-p', 'Date.now()'])).stdout) - ahead * 1_000
      return Math.max(before - now, now - Date.now(), 0)
    }
    // A second is what times in credentials count by; a busy host lets no machine come closer than that with certainty.
    const within = 500
    expect(await offMs('one', 0)).toBeLessThan(within)
    await site.clock('one').shift(86_400)
    expect(await offMs('one', 86_400)).toBeLessThan(within)
    expect(await offMs('two', 0)).toBeLessThan(within)
  })

  test('leave nothing', async () => {
    expect(ground.agents(site).size).toBe(3)
    await site[Symbol.asyncDispose]()
    expect(await ground.leftovers(site.run)).toEqual([])
  })
})
