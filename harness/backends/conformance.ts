import { spawn } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { SiteEvent } from '../evidence/event.ts'
import { sharedNetwork } from '../topology/networks.ts'
import type { Command, Plan, PlanUnit, Receive, Step } from '../topology/plan.ts'
import type { Backend, Capabilities, LaunchOptions, Site, SiteNode } from './backend.ts'
import {
  certifiedPlan,
  hostOf,
  idlePlan,
  networkedPlan,
  oneshot,
  planOf,
  script,
  tls,
  webUnit,
} from './fixtures/plans.ts'
import { SiteNotReady } from './launched-site.ts'
import { sweepRuns } from './sweep.ts'

/** What the suite cannot know of a backend: how to see that nothing is left, and where its agents are. */
export interface BackendUnderTest {
  backend: Backend
  /** Everything on this machine that belongs to a run: processes, folders. Empty when nothing is left. */
  leftovers(run: string): Promise<string[]>
  /** Process ids of the agents of a run, by node. */
  agents(site: Site): Map<string, number>
  /** Whether nodes can be cut off from each other though the launch was not told so. */
  cutsAnyway?: boolean
}

const holder = fileURLToPath(new URL('./fixtures/hold-site.ts', import.meta.url))
const SLOW = 180_000

/** The suite that every backend must pass. */
export function conformance(ground: BackendUnderTest): void {
  const { backend } = ground
  conforming(ground, (launch) => {
    starting(launch)
    failing(launch, ground)
    operating(launch)
    sitting(launch)
    describe('with a CA', () => certified(launch))
    handingOver(launch)
    handingFilesOver(launch)
    runningOnDemand(launch)
    keepingSecrets(launch)
    keepingHandedSecrets(launch)
    ending(launch, ground)
    networking(launch, backend)
    if (backend.capabilities.names) findingNames(launch, backend)
    if (backend.capabilities.ownClock) movingClocks(launch, backend)
    if (backend.capabilities.partition) cutting(launch, ground)
    if (backend.capabilities.impairment) impairing(launch)
    if (backend.capabilities.ownUsers) ownUsers(launch, ground)
    if (backend.capabilities.ownKernel) ownKernels(launch, ground)
    refusing(backend, launch)
  })
}

/** The part of it in which a test calls, listens, cuts nodes off, or looks for what is left of that: for other seats of a backend that passes the whole. */
export function conformanceOfSeats(ground: BackendUnderTest): void {
  conforming(ground, (launch) => {
    sitting(launch)
    networking(launch, ground.backend)
    describe('with a CA', () => certified(launch))
    ending(launch, ground)
    if (ground.backend.capabilities.partition) cutting(launch, ground)
  })
}

function conforming({ backend }: BackendUnderTest, suite: (launch: Launch) => void): void {
  let evidence = ''

  const launch: Launch = (plan, options) =>
    backend.launch(plan, { evidence: join(evidence, `run-${Math.random().toString(36).slice(2)}`), ...options })

  beforeAll(async () => {
    evidence = await mkdtemp(join(tmpdir(), 'holdfast-conformance-'))
  })
  afterAll(() => rm(evidence, { recursive: true, force: true }))

  describe(`backend ${backend.name}`, { timeout: SLOW }, () => {
    test('can run on this machine', async () => {
      expect(await backend.unavailable()).toBeUndefined()
    })

    suite(launch)
  })
}

type Launch = (plan: Plan, options?: LaunchOptions) => Promise<Site>

const oneWeb = planOf({ one: [webUnit('one')] })

function starting(launch: Launch): void {
  test('starts units in the order of the plan, across nodes, and side by side where it allows', async () => {
    const slow = ['--slow', '150']
    const plan = planOf({
      first: [webUnit('first', { args: slow }), webUnit('first', { name: 'beside', port: 8081, args: slow })],
      second: [webUnit('second', { after: ['first/web', 'second/files'] }), oneshot('files', ['first/beside'], [])],
    })
    await using site = await launch(plan)
    const turns = turnsIn(site.events())

    expectInOrder(turns, 'unit-ready first/web', 'unit-started second/web')
    expectInOrder(turns, 'unit-ready first/beside', 'unit-started second/files')
    expectInOrder(turns, 'unit-ready second/files', 'unit-started second/web')
    expectInOrder(turns, 'unit-started first/beside', 'unit-ready first/web')
    expect([...site.timings.keys()].sort()).toEqual(['first/beside', 'first/web', 'second/files', 'second/web'])
    expect(site.timings.get('first/web')).toBeGreaterThanOrEqual(150)
  })

  test('runs a oneshot once more after each further start of the service before it', async () => {
    const push: PlanUnit = { ...oneshot('push', ['one/web']), again: 'each start' }
    await using site = await launch(planOf({ one: [webUnit('one'), push, oneshot('once', ['one/web'])] }))
    const node = site.node('one')
    await node.stop('web')
    await node.start('web')

    const turns = turnsIn(site.events()).filter((turn) => turn.startsWith('unit-ready'))
    expect(turns.slice(-2)).toEqual(['unit-ready one/web', 'unit-ready one/push'])
    expect(turns.filter((turn) => turn.endsWith('once'))).toHaveLength(1)
  })

  test('a further start fails with the oneshot that it runs once more, and the service is up', async () => {
    const unlessStopped = script("process.exit(require('node:fs').existsSync('stop') ? 1 : 0)")
    const push: PlanUnit = { ...oneshot('push', ['one/web'], [unlessStopped]), again: 'each start' }
    await using site = await launch(planOf({ one: [webUnit('one'), push] }))
    const node = site.node('one')
    await node.stop('web')
    await node.start('web')
    await output(node, 'touch', 'units/push/stop')
    await node.stop('web')

    await expect(node.start('web')).rejects.toThrow(/^one\/push: .* exited with 1/)

    expect(await opens(node)).toBe(true)
    expect(turnsIn(site.events()).at(-1)).toBe('unit-failed one/push')
  })

  test('holds units back until they are released, with all that come after them, or starts one before its turn', async () => {
    const plan = planOf({
      one: [oneshot('first'), oneshot('held', ['one/first'])],
      two: [oneshot('beside', ['one/first']), oneshot('later', ['one/held']), oneshot('early', ['one/held'])],
    })
    await using site = await launch(plan, { hold: ['one/held', 'two/early'] })
    const [one, two] = [site.node('one'), site.node('two')]
    await two.waitForUnit('beside')
    await two.start('early')
    expect(turnsIn(site.events()).join()).not.toMatch(/held|later/)
    await one.release('held')
    await two.waitForUnit('later')

    expectInOrder(turnsIn(site.events()), 'unit-ready two/early', 'unit-started one/held')
    expectInOrder(turnsIn(site.events()), 'unit-ready one/held', 'unit-started two/later')
    await expect(two.release('early')).rejects.toThrow('two/early is not held back')
  })

  test('renders files with templates, modes and folders as the plan says', async () => {
    const files = [
      { path: '@{unit}/config.json', json: { address: '@{address}', peers: ['@{address:other}'], count: 3 } },
      { path: '@{unit}/open/plain.txt', text: 'in @{dir}\n', mode: '0644' },
    ]
    await using site = await launch(planOf({ one: [oneshot('render', [], [], files)], other: [oneshot('nothing')] }))
    const one = site.node('one')
    const rendered = { address: one.address, peers: [site.node('other').address], count: 3 }

    expect(JSON.parse(await one.readFile('units/render/config.json'))).toEqual(rendered)
    expect(await one.readFile('units/render/open/plain.txt')).toBe(`in ${one.dir}\n`)
    const paths = ['units/render', 'units/render/config.json', 'units/render/open/plain.txt']
    expect(await modesOf(one, ...paths)).toEqual(['700', '600', '644'])
  })

  test('runs parallel sites without collisions', async () => {
    const plan = planOf({ one: [webUnit('one')], two: [webUnit('two', { after: ['one/web'] })] })
    const sites = await Promise.all([1, 2, 3, 4].map(() => launch(plan)))
    try {
      for (const site of sites) {
        // Their addresses may be the same where each has a network of its own.
        const { stream } = await site.node('two').seat.connect({ address: site.node('one').address, port: 8080 })
        stream.end('GET /ready HTTP/1.1\r\nHost: one\r\nConnection: close\r\n\r\n')
        expect(await text(stream)).toContain(JSON.stringify({ pid: Number(await pidIn(site.node('one'), 'web')) }))
      }
      expect(new Set(sites.map((site) => site.run)).size).toBe(4)
    } finally {
      await Promise.all(sites.map((site) => site[Symbol.asyncDispose]()))
    }
  })
}

function failing(launch: Launch, ground: BackendUnderTest): void {
  const broken = planOf({
    good: [webUnit('good')],
    bad: [webUnit('bad', { after: ['good/web'], args: ['--exit', '3'] })],
  })
  const slow = (more = {}) => planOf({ one: [webUnit('one', { args: ['--slow', '60000'], ...more })] })

  test('reports a unit that exits, with its log and the evidence, and releases the rest', async () => {
    const seen: SiteEvent[] = []
    const cause = await failureOf(launch(broken, { onEvent: (event) => seen.push(event) }))
    const kept = (...path: string[]) => readFile(join(cause.evidence, ...path), 'utf8')

    expect(cause.code).toBe('HOLDFAST_NOT_READY')
    expect(cause.message).toContain('bad/web was not ready: its program exited with 3')
    expect(cause.logTail).toEqual(['going to fail', 'the disk is not there'])
    expect(turnsIn(seen)).toContain('unit-ready good/web')
    const names = ['history.jsonl', 'logs', 'plan.json', 'run.json']
    expect(await readdir(cause.evidence)).toEqual(expect.arrayContaining(names))
    expect(await kept('logs', 'bad', 'web.log')).toContain('the disk is not there')
    expect(await kept('history.jsonl')).toContain('unit-failed')
    expect(await ground.leftovers(JSON.parse(await kept('run.json')).run)).toEqual([])
  })

  test('reports the last answer of a probe that never succeeds', async () => {
    const { message } = await failureOf(launch(slow({ readyWithinMs: 2_500 })))

    expect(message).toMatch(/within (2500|15000) ms its probe last said: .*\/ready answered 503 instead of 200/)
  })

  test('reports a template that cannot be filled, naming the file', async () => {
    const files = [{ path: '@{unit}/config.json', json: { peer: '@{address:nobody}' } }]
    const { message } = await failureOf(launch(planOf({ one: [oneshot('render', [], [], files)] })))

    expect(message).toMatch(/units\/render\/config\.json: @\{address:nobody\} is not known/)
  })

  test('ends a launch that is aborted', async () => {
    const abort = new AbortController()
    const onEvent = ({ event }: SiteEvent) => event === 'unit-started' && abort.abort(new Error('enough'))

    await expect(launch(slow(), { signal: abort.signal, onEvent })).rejects.toThrow('enough')
  })

  test('ends its programs at once where a launch is aborted, however long they may take to stop', async () => {
    const abort = new AbortController()
    let began = 0
    const onEvent = (event: SiteEvent) => {
      if (event.event !== 'log' || !event.line.startsWith('listening')) return
      began = performance.now()
      abort.abort(new Error('enough'))
    }
    const plan = slow({ args: ['--slow', '60000', '--stubborn'], stopWithinMs: 60_000 })

    await expect(launch(plan, { signal: abort.signal, onEvent })).rejects.toThrow('enough')
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  test('keeps a failed site when asked to', async () => {
    await using site = (await failureOf(launch(broken, { keep: true }))).site

    expect(await opens(site!.node('good'))).toBe(true)
  })
}

function operating(launch: Launch): void {
  test('finds the hosts of the plan in Node programs that a shell starts', async () => {
    const look = `require('node:dns').lookup('${hostOf('two')}', (_, address) => console.log('found ' + address))`
    const run = { program: { path: 'sh' }, args: ['-c', 'node -e "$1"; echo end', 'sh', look] }
    await using site = await launch(planOf({ one: [oneshot('look', [], [{ run }])], two: [oneshot('nothing')] }))

    expect(site.node('one').logs('look')).toEqual([`found ${site.node('two').address}`, 'end'])
  })

  test('executes programs on a node, with input, environment, exit code and limit', async () => {
    await using site = await launch(idlePlan('one'))
    const node = site.node('one')
    const echo = 'process.stdin.on("data", (text) => console.log(text + process.env.MARK)); process.exitCode = 4'

    const ended = await node.exec(['node', '-e', echo], { input: 'in', env: { MARK: 'out' } })
    expect(ended).toEqual({ code: 4, signal: null, stdout: 'inout\n', stderr: '' })
    const endless = await node.exec(['node', '-e', 'setInterval(() => {}, 1000)'], { timeoutMs: 300 })
    expect(endless).toMatchObject({ code: null, signal: 'SIGKILL' })
    await expect(node.exec(['/nowhere/to/be/found'])).rejects.toThrow(/ENOENT/)
  })

  test('gives logs and decision records by unit', async () => {
    const decisions = { args: ['--decisions', '@{unit}/decisions.jsonl'], decisionLog: '@{unit}/decisions.jsonl' }
    const plan = planOf({ one: [webUnit('one', decisions), webUnit('one', { name: 'other', port: 8081 })] })
    await using site = await launch(plan)
    const node = site.node('one')

    await until(() => node.logs().length === 2)
    expect(node.logs('web')).toEqual([expect.stringMatching(/^listening, pid \d+$/)])
    expect(await node.decisions('web')).toEqual([expect.objectContaining({ action: 'start', seq: 1 })])
    expect(await node.decisions('other')).toEqual([])
    await expect(node.decisions('nothing')).rejects.toThrow(/its units are web, other/)
  })

  test('adds environment to a node and to a unit from outside', async () => {
    const units = [webUnit('one'), webUnit('one', { name: 'other', port: 8081 })]
    const env = { one: { NODE_OPTIONS: '--title=both' }, 'one/other': { NODE_OPTIONS: '--title=single' } }
    await using site = await launch(planOf({ one: units }), { env })
    const node = site.node('one')
    const optionsOf = async (unit: string) => output(node, 'ps', 'eww', '-o', 'command=', '-p', await pidIn(node, unit))

    expect(await optionsOf('web')).toMatch(/--title=both|^both/)
    expect(await optionsOf('other')).toMatch(/--title=single|^single/)
  })

  test('stops and starts a service again, and signals it', async () => {
    await using site = await launch(oneWeb)
    const node = site.node('one')

    await node.stop('web')
    expect(await opens(node)).toBe(false)
    expect(last(site.events(), 'unit-exited')).toMatchObject({ code: 0, signal: null })
    await expect(node.waitForUnit('web')).rejects.toThrow(/one\/web is not ready: it ended \(code 0\)/)
    await node.start('web')
    await node.waitForUnit('web')
    expect(await opens(node)).toBe(true)
    await expect(node.start('web')).rejects.toThrow(/one\/web is running already/)
    await node.signal('SIGHUP', 'web')
    await until(() => node.logs('web').includes('reloaded'))
  })

  test('kills what does not stop, after the time that the unit has', async () => {
    await using site = await launch(planOf({ one: [webUnit('one', { args: ['--stubborn'], stopWithinMs: 200 })] }))

    await site.node('one').stop('web')

    expect(site.node('one').logs('web')).toContain('no')
    expect(last(site.events(), 'unit-exited')).toMatchObject({ signal: 'SIGKILL' })
  })

  test.each(['--child', '--daemon'])('kills and stops a unit with everything that it started: %s', async (how) => {
    await using site = await launch(planOf({ one: [webUnit('one', { args: [how] })] }))
    const node = site.node('one')
    const stateOf = (pid: string) => output(node, 'ps', '-o', 'stat=', '-p', pid)
    const child = async (nth: number) => {
      const pid = await until(
        () =>
          [
            ...node
              .logs('web')
              .join('\n')
              .matchAll(/child (\d+)/g),
          ][nth]?.[1],
      )
      expect(await stateOf(pid)).toMatch(/^[SR]/)
      return pid
    }
    const ended = (pid: string) => until(async () => /^(Z.*)?$/.test(await stateOf(pid)))

    const first = await child(0)
    await node.kill('web')
    expect(last(site.events(), 'unit-exited')).toMatchObject({ signal: 'SIGKILL' })
    await ended(first)
    await node.start('web')
    const second = await child(1)
    await node.stop('web')
    await ended(second)
  })

  test('pauses and resumes a unit, and stops a paused one', async () => {
    await using site = await launch(oneWeb)
    const node = site.node('one')
    const answersWithin = async (ms: number) => {
      const { stream } = await node.seat.connect({ address: node.address, port: 8080 })
      stream.write('GET /ready HTTP/1.1\r\nHost: one\r\n\r\n')
      const answered = await succeeds(once(stream, 'data', { signal: AbortSignal.timeout(ms) }))
      stream.destroy()
      return answered
    }
    expect(await answersWithin(5_000)).toBe(true)

    await node.pause('web')
    expect(await answersWithin(300)).toBe(false)
    await node.resume('web')
    expect(await answersWithin(5_000)).toBe(true)
    await node.pause('web')
    await node.stop('web')
    expect(last(site.events(), 'unit-exited')).toMatchObject({ code: 0 })
  })
}

/** Whatever a test says to nodes, and hears of them, goes by these. */
function sitting(launch: Launch): void {
  test('lets a test call from a node: the far end sees the address and port that the test is told', async () => {
    await using site = await launch(oneWeb)
    const { seat, address } = site.node('one')
    const { stream, conn } = await seat.connect({ address, port: 8080 })
    stream.end('GET /caller HTTP/1.1\r\nHost: one\r\nConnection: close\r\n\r\n')

    expect(await text(stream)).toContain(JSON.stringify({ caller: conn }))
    expect(conn.startsWith(`${address}:`)).toBe(true)
    await expect(seat.connect({ address, port: 8081 })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    const abort = AbortSignal.abort(new Error('enough'))
    await expect(seat.connect({ address, port: 8080 }, abort)).rejects.toThrow(/enough|aborted/)
  })

  test('lets a test listen on a node, for all nodes, until it has heard enough', async () => {
    await using site = await launch(idlePlan('one', 'two'))
    const { seat, address } = site.node('two')
    const heard: Duplex[] = []
    const listening = await seat.listen((stream) => {
      heard.push(stream)
      stream.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nheard')
    })
    const { port } = listening
    const ask = `fetch('http://${address}:${port}/').then(async (answer) => console.log(await answer.text()))`

    expect(listening.address).toBe(address)
    expect(await site.node('one').exec(['node', '-e', ask])).toMatchObject({ code: 0, stdout: 'heard\n' })
    const { stream } = await site.node('one').seat.connect(listening)
    await until(() => heard.length === 2)
    listening.drop()
    await until(() => stream.destroyed || stream.readableEnded || stream.read() === null)
    await listening[Symbol.asyncDispose]()
    await listening[Symbol.asyncDispose]()
    await expect(seat.connect({ address, port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await using again = await seat.listen(() => {}, port)
    expect(again.port).toBe(port)
    await expect(seat.listen(() => {}, port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  test('passes all bytes both ways, whoever ends first', async () => {
    await using site = await launch(idlePlan('one', 'two'))
    const bytes = randomBytes(3_000_000)
    const came: Promise<Buffer>[] = []
    await using listening = await site.node('two').seat.listen((stream) => {
      came.push(bytesOf(stream))
      stream.end(bytes)
    })
    const { stream } = await site.node('one').seat.connect(listening)
    const received = bytesOf(stream)
    stream.end(bytes)

    expect(bytes.equals(await received)).toBe(true)
    expect(bytes.equals(await came[0]!)).toBe(true)
  })

  test('has seats at addresses that are nobody’s', async () => {
    await using site = await launch(oneWeb)
    const { address } = site.node('one')
    const strangers = site.strangers(3)
    const own = strangers.map((seat) => seat.address)
    const called = strangers.map(async (seat) => {
      const { stream, conn } = await seat.connect({ address, port: 8080 })
      stream.destroy()
      return conn.slice(0, conn.lastIndexOf(':'))
    })

    expect(await Promise.all(called)).toEqual(own)
    expect(new Set([address, ...own]).size).toBe(4)
  })
}

/** All that comes; to iterate over the stream would destroy it at the end, with what it has yet to send. */
function bytesOf(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return new Promise((resolve) => stream.once('end', () => resolve(Buffer.concat(chunks))))
}

/** Hands over what the server mints. */
function tokenStep(to: object, renew?: { lifetimeSeconds: number; at: number }): Step {
  const mint = { method: 'POST' as const, url: `https://${hostOf('server')}:8443/mint`, tls, expect: [201] }
  const source = { mint, member: 'token', renew }
  return { receive: { from: 'server', source, to: { path: '@{dir}/credentials/token', mode: '0600', ...to } } }
}

/** One site with a CA serves all of these: nothing here changes what another looks at. */
function certified(launch: Launch): void {
  let site: Site

  beforeAll(async () => {
    const plan = certifiedPlan()
    const renew = { lifetimeSeconds: 1, at: 0.2 }
    plan.nodes.client!.units.push(
      oneshot('token', ['server/web'], [tokenStep({})]),
      oneshot('renewed', ['client/token'], [tokenStep({ path: '@{dir}/credentials/renewed' }, renew)]),
      oneshot('health', ['client/anchor'], [{ run: health }]),
    )
    site = await launch(plan)
  }, SLOW)
  afterAll(() => site?.[Symbol.asyncDispose]())

  const caHealth = (host: string) => ['ca', 'health', '--ca-url', `https://${host}:9000`, '--root', 'anchors/lab.pem']
  /** A real program in Go that dials a host of the plan: the site is ready only when that worked. */
  const health = { program: { tool: 'step', dials: true }, args: caHealth(hostOf('ca')), cwd: '@{dir}' } as const

  test('finds the hosts of the plan for Go programs, follows them elsewhere and back, and finds no other', async () => {
    const ask = (node: string) => site.node('client').exec(['step', ...caHealth(hostOf(node))])
    expect(site.node('client').logs('health')).toEqual(['ok'])
    expect(await ask('ca')).toMatchObject({ code: 0, stdout: 'ok\n' })
    expect(await ask('nobody')).toMatchObject({ code: 1, stderr: expect.stringContaining('no such host') })
    if (site.lead === undefined) return

    await site.lead(hostOf('ca'), site.node('server').address)
    expect(await ask('ca')).toMatchObject({ code: 1, stderr: expect.stringContaining('connection refused') })
    await site.lead(hostOf('ca'))
    expect(await ask('ca')).toMatchObject({ code: 0 })
  })

  /** What the client gets for a URL. */
  async function fetched(url: string): Promise<unknown> {
    const call = { method: 'GET' as const, url: `https://${hostOf('client')}:8443/fetch?${url}`, tls, expect: [200] }
    return (await site.callFrom('server', call)).json
  }

  test('gives each node its own address, and resolves the hosts of the plan only', async () => {
    const { address } = site.node('server')

    expect(address).not.toBe(site.node('client').address)
    expect(site.resolve(hostOf('server'))).toBe(address)
    expect(site.resolve('elsewhere.test')).toBeUndefined()
    expect(await fetched(`https://${hostOf('server')}:8443/ready`)).toEqual({ status: 200 })
    expect(await fetched(`https://${hostOf('nobody')}:8443/ready`)).toEqual({ code: 'ENOTFOUND' })
  })

  test('leads a host to another address and back again, where names are its own', async ({ skip }) => {
    if (site.lead === undefined) return skip('its names are not its own')
    const url = `https://${hostOf('server')}:8443/ready`

    await site.lead(hostOf('server'), site.strangers(1)[0]!.address)
    expect(await fetched(url)).toEqual({ code: 'ECONNREFUSED' })
    expect(site.resolve(hostOf('server'))).toBe(site.node('server').address)
    await site.lead(hostOf('server'))
    expect(await fetched(url)).toEqual({ status: 200 })
  })

  test('copies, enrols and mints between nodes, with the modes that the plan demands', async () => {
    const read = (path: string) => site.node('client').readFile(path)
    const files = ['anchors/lab.pem', 'credentials/own/key.pem', 'credentials/own/cert.pem', 'credentials/token']

    expect(await read('anchors/lab.pem')).toBe(await site.node('ca').readFile('units/ca/root.crt'))
    expect(await read('credentials/own/cert.pem')).toMatch(/^-----BEGIN CERTIFICATE-----/)
    expect((await read('credentials/own/cert.pem')).match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(await read('credentials/own/key.pem')).toMatch(/^-----BEGIN PRIVATE KEY-----/)
    expect(await read('credentials/token')).toBe('token-1')
    expect(await modesOf(site.node('client'), ...files)).toEqual(files.map(() => '600'))
    const handed = site.events().filter((event) => event.event === 'handover')
    // Handed over again and again, as the next test sees.
    expect(handed.some((event) => event.unit === 'renewed')).toBe(true)
    const once = handed.filter((event) => event.unit !== 'renewed')
    const ofCa = ['ca client/anchor', 'ca client/cert', 'ca server/anchor', 'ca server/cert']
    const ways = once.map((event) => `${event.from} ${event.node}/${event.unit}`)
    expect(ways.sort()).toEqual([...ofCa, 'server client/token'])
  })

  test('mints anew at the share of life that the plan names, and replaces the file in one step', async () => {
    await until(async () => Number((await site.node('client').readFile('credentials/renewed')).slice(6)) >= 4)
  })

  test('signs one-time tokens for the harness that the CA takes once, for one request', async () => {
    const { newRequest } = await import('../pki/request.ts')
    const { signAtCa } = await import('../agent/enrol.ts')
    const names = { subject: 'guest.conformance.test', sans: ['guest.conformance.test'] }
    const [mine, other] = await Promise.all([newRequest(names), newRequest(names)])
    const url = `https://${hostOf('ca')}:9000`
    const provisioner = { name: 'holdfast', keyFile: '@{dir}/units/ca/provisioner.json' }
    const ask = { url, provisioner, ...names, x5rt: mine.x5rt }
    const anchorPem = await site.node('ca').readFile('units/ca/root.crt')
    const [{ seat }, { address }] = [site.node('client'), site.node('ca')]
    const connect = async () => (await seat.connect({ address, port: 9000 })).stream
    const sign = (csrPem: string, ott: string) =>
      signAtCa({ url, connect, anchorPem, csrPem, ott, lifetimeSeconds: 60 })

    const ott = await site.oneTimeToken('ca', ask)
    expect((await sign(mine.csrPem, ott)).certPem).toMatch(/BEGIN CERTIFICATE/)
    await expect(sign(mine.csrPem, ott)).rejects.toMatchObject({ code: 'HOLDFAST_ENROL_REFUSED', status: 401 })
    const bound = await site.oneTimeToken('ca', ask)
    await expect(sign(other.csrPem, bound)).rejects.toMatchObject({ status: 403 })
    expect(site.node('ca').logs().join('\n')).not.toContain(ott.split('.')[2])
  })
}

function handingOver(launch: Launch): void {
  test('refuses a hand-over to an owner that this machine does not have', async () => {
    const plan = certifiedPlan()
    plan.nodes.client!.units.push(oneshot('token', ['server/web'], [tokenStep({ owner: 'nobody-of-this-name' })]))

    await expect(launch(plan)).rejects.toThrow(/nobody-of-this-name is not in \/etc\/passwd/)
  })

  test('takes a TLS service as ready only with the chain, the host name and the life that the plan demands', async () => {
    // Alive for as long as a slow node may take to get ready.
    const tooShort = certifiedPlan({ lifetimeSeconds: 50, readyWithinMs: 5_000 })
    const otherName = certifiedPlan({ readyWithinMs: 5_000 })
    const probe = otherName.nodes.server!.units.at(-1)!.service!.ready as { http: { url: string } }
    probe.http.url = `https://${hostOf('client')}:8443/ready`
    otherName.nodes.client!.host = 'elsewhere.conformance.test'
    otherName.nodes.server!.host = hostOf('client')
    await Promise.all([
      expect(launch(tooShort)).rejects.toThrow(/is valid for \d+ s more, and 60 s are demanded/),
      expect(launch(otherName)).rejects.toThrow(/does not match certificate's altnames/),
    ])
  })
}

/** Shows everything that it was given, the file of its first argument too, and then fails or stays. */
const babbler = `
  const [file, end] = process.argv.slice(1)
  const { MADE, TOKEN } = process.env
  console.log('given ' + MADE + ' and ' + TOKEN + ', half of it: ' + MADE.slice(0, 8))
  console.error(JSON.stringify({ text: require('node:fs').readFileSync(file, 'utf8') }))
  if (end === 'fail') process.exit(1)`

function keepingSecrets(launch: Launch): void {
  const secret = '@{dir}/credentials/made'
  const env = { MADE: `@{content:${secret}}`, TOKEN: 'Key @{content:own}' }
  const say = (...more: string[]) => script(babbler, [secret, ...more], { env })
  const made = (text?: string): Step[] => [
    { secret: { path: secret, bytes: 32 } },
    { secret: { path: '@{unit}/own', bytes: 24, as: 'base64url' } },
    ...(text === undefined ? [] : [{ write: { path: secret, text } }]),
  ]

  test('makes a secret once for a run, gives its content to programs, and writes it down nowhere', async () => {
    const unit: PlanUnit = { ...oneshot('asked', [], [...made(), say()]), start: 'on demand' }
    const site = await launch(planOf({ one: [unit] }))
    const node = site.node('one')
    const [first, again] = [await node.run('asked'), await node.run('asked')]
    const [hex, own] = await Promise.all([node.readFile('credentials/made'), node.readFile('units/asked/own')])
    const modes = await modesOf(node, 'credentials/made', 'units/asked/own')
    await site[Symbol.asyncDispose]()
    const kept = await evidenceOf(site.evidence)

    expect(hex).toMatch(/^[0-9a-f]{64}$/)
    expect(own).toMatch(/^[\w-]{32}$/)
    expect(modes).toEqual(['600', '600'])
    expect(first.stdout).toBe(`given ${hex} and Key ${own}, half of it: ${hex.slice(0, 8)}\n`)
    expect(again).toEqual(first)
    const lines = site.events().flatMap((event) => (event.event === 'log' ? [event.line] : []))
    const gone = (text: string) => `[secret ${text.slice(0, 8)}… removed]`
    expect(lines).toContain(`given ${gone(hex)} and Key ${gone(own)}, half of it: ${hex.slice(0, 8)}`)
    expect(kept).toContain('@{content:@{dir}/credentials/made}')
    expect(kept).not.toContain(hex)
    expect(kept).not.toContain(own)
    expect(JSON.stringify(site.events())).not.toContain(hex)
  })

  test('gives a content as an argument to a command that is told to show it, and writes it down nowhere all the same', async () => {
    const step = script(`console.log('given ' + process.argv[1])`, [`key=@{content:${secret}}`]) as { run: Command }
    const shown: Step = { run: { ...step.run, showsContents: true } }
    const site = await launch(planOf({ one: [{ ...oneshot('asked', [], [...made(), shown]), start: 'on demand' }] }))
    const node = site.node('one')
    const [{ stdout }, hex] = [await node.run('asked'), await node.readFile('credentials/made')]
    await site[Symbol.asyncDispose]()

    expect(stdout).toBe(`given key=${hex}\n`)
    expect(JSON.stringify(site.events())).not.toContain(hex)
    expect(await evidenceOf(site.evidence)).not.toContain(hex)
  })

  test('keeps a secret out of the report of a unit that fails with it', async () => {
    const text = '"q\\W3rty{uiop}[asdf]\\gh"'
    const cause = await failureOf(launch(planOf({ one: [oneshot('bad', [], [...made(text), say('fail')])] })))

    expect(cause.logTail.join()).toMatch(/^given \[secret \S+… removed\] and Key \[secret \S+… removed\]/)
    const told = [cause.message, JSON.stringify(cause.logTail), await evidenceOf(cause.evidence)].join('\n')
    expect(told).not.toContain(text)
    // Not even where the plan itself says it, as here.
    expect(told).not.toContain(JSON.stringify(text).slice(1, -1))
  })

  test('[not supported] a content that is too short to be kept out of what is written down, or that stands in a file that others read or in an argument', async () => {
    const bad = (steps: Step[], text = '') =>
      launch(planOf({ one: [oneshot('bad', [], steps, [{ path: '@{unit}/file', text, mode: '0644' }])] }))

    const short = /credentials\/made is not one line of 16 characters or more without blanks/
    await expect(bad([...made('short'), say()])).rejects.toThrow(short)
    const open = /the content of secret would be read by others, since the file has mode 0644; leave that out/
    await expect(bad([], '@{content:secret}')).rejects.toThrow(open)
    const shown = /one\/bad: command: the argument --key=@\{content:own\} would show a secret .*; give it in env/
    await expect(bad([...made(), script('0', ['--key=@{content:own}'])])).rejects.toThrow(shown)
  })
}

/** Says what it was given, and ends with the code in it. */
const answer = `
  process.stdin.on('data', (text) => {
    const { code } = JSON.parse(text)
    console.log('given ' + text)
    console.error('code ' + code)
    setTimeout(() => process.exit(code), 100)
  })`

function runningOnDemand(launch: Launch): void {
  const asked = (name: string, after: string[], ...steps: Step[]): PlanUnit => ({
    ...oneshot(name, after, steps, [{ path: '@{unit}/config', text: 'x' }]),
    start: 'on demand',
  })

  test('runs what is started on demand when it is asked for, each time anew, one run after the other', async () => {
    const broken: Step = { copy: { from: '@{dir}/nothing', to: { path: '@{unit}/x', mode: '0600' } } }
    const units = [asked('revoke', ['one/web'], script(answer)), asked('broken', [], broken), webUnit('one')]
    await using site = await launch(planOf({ one: units }))
    const node = site.node('one')
    const input = (code: number) => ({ input: JSON.stringify({ code }) })
    expect(site.events().filter(({ event }) => event === 'unit-started')).toHaveLength(1)
    await expect(node.waitForUnit('revoke')).rejects.toThrow('one/revoke is not ready: it is run on demand')

    const runs = await Promise.all([0, 3].map((code) => node.run('revoke', input(code))))

    expect(runs).toEqual([
      { code: 0, signal: null, stdout: 'given {"code":0}\n', stderr: 'code 0\n' },
      { code: 3, signal: null, stdout: 'given {"code":3}\n', stderr: 'code 3\n' },
    ])
    const turn = ['unit-started one/revoke', 'unit-exited one/revoke']
    expect(turnsIn(site.events()).filter((event) => event.endsWith('revoke'))).toEqual([...turn, ...turn])
    expect(await node.readFile('units/revoke/config')).toBe('x')
    await expect(node.run('broken')).rejects.toThrow('ENOENT')
    await expect(node.run('web')).rejects.toThrow('one/web is not run on demand; its node started it')
    await expect(node.run('nothing')).rejects.toMatchObject({ code: 'HOLDFAST_UNIT_UNKNOWN' })
    expect(await opens(node)).toBe(true)
  })

  test('[not supported] a unit that waits for what is not ready is not run', async () => {
    await using site = await launch(planOf({ one: [asked('first', []), asked('second', ['one/first'])] }))

    await expect(site.node('one').run('second')).rejects.toThrow('one/second waits for one/first')
  })
}

/** Makes generation N of a set of files as a volume of secrets lays it: links through `..data`, which is swapped. A new set comes whole. */
const makeSet = `
  const [fs, n] = [require('node:fs'), process.argv[1]]
  const set = fs.existsSync('set') ? 'set' : 'set-that-is-made'
  fs.mkdirSync(set + '/..' + n, { recursive: true })
  fs.writeFileSync(set + '/..' + n + '/one', 'generation ' + n)
  fs.writeFileSync(set + '/..' + n + '/two.bin', Buffer.from([0, 255, 128, Number(n)]))
  fs.symlinkSync('..' + n, set + '/..new')
  fs.renameSync(set + '/..new', set + '/..data')
  if (set !== 'set') {
    for (const name of ['one', 'two.bin']) fs.symlinkSync('..data/' + name, set + '/' + name)
    fs.renameSync(set, 'set')
  }`
/** Reads the set over and over until it is of generation N; ends well if it never saw one that was missing, or was of two generations. */
const readSet = `
  const [fs, n] = [require('node:fs'), Number(process.argv[1])]
  for (const end = Date.now() + 20000; Date.now() < end; ) {
    const folder = fs.realpathSync('handed')
    const [one, two] = [fs.readFileSync(folder + '/one', 'utf8'), fs.readFileSync(folder + '/two.bin')]
    if (one !== 'generation ' + two[3]) throw new Error(one + ' beside ' + two[3])
    if (two[3] === n) process.exit(0)
  }
  process.exit(1)`

function handingFilesOver(launch: Launch): void {
  const cwd = '@{dir}'
  const show = script('console.log(require("node:fs").readFileSync("handed/one", "utf8"))', [], { cwd })
  const planWith = (handed: Pick<Receive, 'source' | 'to' | 'again'>, ...more: Step[]) => {
    const receive = { from: 'from', ...handed }
    return planOf({
      from: [oneshot('make', [], [script(makeSet, ['1'], { cwd }), ...more])],
      to: [
        oneshot('take', ['from/make'], [{ receive }, show]),
        oneshot('heed', ['to/take'], [{ follow: { folder: '@{dir}/handed' } }, show]),
      ],
    })
  }
  const folder = { source: { folder: '@{dir}/set' }, to: { path: '@{dir}/handed', mode: '0640', folderMode: '2750' } }

  test('hands a set of files over, of any bytes, with the modes that the plan demands', async () => {
    const source = { files: ['@{dir}/set/one', '@{dir}/set/..data/two.bin'] }
    await using site = await launch(planWith({ ...folder, source }))
    const to = site.node('to')

    expect(await output(to, 'ls', 'handed')).toBe('one\ntwo.bin')
    expect(await output(to, 'node', '-p', 'fs.readFileSync("handed/two.bin", "hex")')).toBe('00ff8001')
    expect(await modesOf(to, 'handed/.', 'handed/one', 'handed/two.bin')).toEqual(['2750', '640', '640'])
  })

  test('hands files over again when they change, as a whole set, and runs the programs after it again, also those of who follows them', async () => {
    await using site = await launch(planWith({ ...folder, again: 'changed' }))
    const [from, to] = [site.node('from'), site.node('to')]
    const reading = to.exec(['node', '-e', readSet, '3'])
    const remake = async (generation: string) => {
      await from.exec(['node', '-e', makeSet, generation])
      for (const unit of ['take', 'heed']) await until(() => to.logs(unit).includes(`generation ${generation}`))
    }
    for (const generation of ['2', '3']) await remake(generation)
    expect(await reading).toMatchObject({ code: 0, stderr: '' })
    // A folder that is made anew is followed, too.
    await from.exec(['node', '-e', 'require("node:fs").rmSync("set", { recursive: true })'])
    await remake('4')

    const all = ['1', '2', '3', '4'].map((generation) => `generation ${generation}`)
    expect([to.logs('take'), to.logs('heed')]).toEqual([all, all])
    expect(site.events().filter(({ event }) => event === 'handover')).toHaveLength(4)
    // One that is read, and the one before it.
    expect((await output(to, 'ls', '-a')).match(/\.set$/gm)).toHaveLength(2)
  })

  test('hands over nothing that leads out of the folder of the plan', async () => {
    const link = script('require("node:fs").symlinkSync("/etc/hostname", "set/three")', [], { cwd })

    await expect(launch(planWith(folder, link))).rejects.toThrow(/set\/three leads out of its folder/)
  })
}

/** A secret that one node makes and another one is handed; both print it, the latter in every form that a log may have it in. */
function spillingPlan(mode: string, code = 0): Plan {
  const file = '@{dir}/secret.txt'
  const make =
    'const text = crypto.randomBytes(32).toString("hex"); fs.writeFileSync(process.argv[1], text); console.log(text)'
  const spill = `const text = fs.readFileSync(process.argv[1], "utf8")
    for (const form of [text, text.toUpperCase(), text.slice(20, 44), JSON.stringify({ text }), text.slice(0, 32) + "\\n" + text.slice(32)])
      console.log("said", form)
    for (const as of ["base64", "base64url", "hex"]) console.error("u:", Buffer.from("u:" + text).toString(as))
    process.exit(${code})`
  const receive = { from: 'maker', source: { file }, to: { path: file, mode } }
  return planOf({
    maker: [oneshot('make', [], [script(make, [file])])],
    holder: [oneshot('spill', ['maker/make'], [{ receive }, script(spill, [file])])],
  })
}

/** What of a secret stands in a text, in any of those forms. */
function formsIn(text: string, secret: string): string[] {
  const encoded = (['base64', 'base64url', 'hex'] as const).map((as) => Buffer.from(`u:${secret}`).toString(as))
  const plain = [secret.slice(20, 44), secret.slice(0, 32), secret.slice(32)]
  const pieces = [...plain, ...encoded.map((form) => form.slice(8, 60))]
  return pieces.filter((piece) => text.toLowerCase().includes(piece.toLowerCase()))
}

/** Every file that a run left as evidence, joined. */
async function evidenceOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n')
}

function keepingHandedSecrets(launch: Launch): void {
  const spilled = async (mode: string) => {
    await using site = await launch(spillingPlan(mode))
    const secret = await site.node('maker').readFile('secret.txt')
    const logs = site.node('holder').logs().join('\n')
    const told = JSON.stringify(site.events().filter(({ node }) => node === 'holder'))
    await site[Symbol.asyncDispose]()
    const evidence = await evidenceOf(site.evidence)
    return [logs, told, evidence].map((text) => ({ text, forms: formsIn(text, secret) }))
  }

  test('keeps a secret that was handed over out of logs, events and evidence, though its programs print it', async () => {
    for (const { text, forms } of await spilled('0600')) {
      expect(forms).toEqual([])
      // What was printed is there, and says what was removed.
      expect(text.match(/said .*?\[secret \w{8}… removed\]/g)?.length).toBeGreaterThanOrEqual(4)
    }
  })

  test('knows as secret only what not everybody on the node may read: the same texts hold all forms of what is public', async () => {
    for (const { forms } of await spilled('0644')) expect(forms).toHaveLength(6)
  })

  test('keeps it out of failures', async () => {
    const failure = await failureOf(launch(spillingPlan('0600', 3)))
    expect(failure.message).toMatch(/said \[secret \w{8}… removed\]/)
    expect(`${failure.message} ${await evidenceOf(failure.evidence)}`).not.toMatch(/[0-9a-f]{24}/i)
  })
}

function ending(launch: Launch, ground: BackendUnderTest): void {
  const plan = planOf({ one: [webUnit('one', { args: ['--child'] })], two: [webUnit('two', { after: ['one/web'] })] })

  test('stops in reverse order and leaves no process, no socket, no folder', async () => {
    const site = await launch(plan)
    const one = site.node('one')
    expect(await ground.leftovers(site.run)).not.toEqual([])

    await site[Symbol.asyncDispose]()

    expect(await ground.leftovers(site.run)).toEqual([])
    expect(await opens(one)).toBe(false)
    await expect(access(one.dir)).rejects.toThrow(/ENOENT/)
    expectInOrder(turnsIn(site.events()), 'unit-exited two/web', 'unit-exited one/web')
    expect(await readFile(join(site.evidence, 'history.jsonl'), 'utf8')).toContain('agent-gone')
    await site[Symbol.asyncDispose]()
  })

  test('is released though its evidence was taken away, or cannot be written', async () => {
    const gone = await launch(idlePlan('one'))
    await rm(gone.evidence, { recursive: true })
    await gone[Symbol.asyncDispose]()
    const full = await launch(idlePlan('one'))
    await mkdir(join(full.evidence, 'history.jsonl.new'))
    await expect(full[Symbol.asyncDispose]()).rejects.toMatchObject({
      code: 'HOLDFAST_EVIDENCE_INCOMPLETE',
      message: `the evidence in ${full.evidence} is not complete`,
    })

    expect(await ground.leftovers(gone.run)).toEqual([])
    await expect(access(gone.evidence)).rejects.toThrow(/ENOENT/)
    expect(await ground.leftovers(full.run)).toEqual([])
  })

  test('leaves nothing of a unit that put a program into a session of its own', async () => {
    const daemon = `const endless = ['-e', 'setInterval(() => {}, 1000)']
      require('node:child_process').spawn(process.execPath, endless, { detached: true, stdio: 'ignore' }).unref()`
    const site = await launch(planOf({ one: [oneshot('starter', [], [script(daemon)])] }))
    await site[Symbol.asyncDispose]()

    expect(await ground.leftovers(site.run)).toEqual([])
  })

  test('leaves no process within 5 s when the coordinator is killed, and sweep removes its folder', async () => {
    await using bystander = await launch(oneWeb)
    const held = await holdSite(ground)
    const kept = (file: string) => readFile(join(held.evidence, file), 'utf8')
    // What it has not yet written when it is killed is lost with it.
    await until(async () => (await kept('events.jsonl')).includes('unit-ready'))
    const started = performance.now()
    await held.killed()
    expect(performance.now() - started).toBeLessThan(5_000)

    const { swept, alive } = await sweepRuns(() => ground.backend)

    expect(swept.map(({ run }) => run)).toContain(held.run)
    expect(alive).toContain(bystander.run)
    expect(await kept('history.jsonl')).toContain('unit-ready')
    expect(await ground.leftovers(held.run)).toEqual([])
    expect(await opens(bystander.node('one'))).toBe(true)
  })

  test('ends the units of an agent that is killed', async () => {
    const site = await launch(plan)
    expect(await opens(site.node('one'), site.node('two').seat)).toBe(true)
    process.kill(ground.agents(site).get('one') as number, 'SIGKILL')

    await until(() => site.events().some((event) => event.event === 'agent-gone' && event.node === 'one'))
    await until(async () => !(await opens(site.node('one'), site.node('two').seat)))
    await expect(site.node('one').exec(['node', '-e', '0'])).rejects.toMatchObject({ code: 'HOLDFAST_AGENT_GONE' })
    await site[Symbol.asyncDispose]()
    expect(await ground.leftovers(site.run)).toEqual([])
  })

  test('ends a unit that does not stop by itself, when its coordinator is killed', async () => {
    const held = await holdSite(ground, '--stubborn')

    await held.killed()
    await sweepRuns(() => ground.backend)
  })
}

/** One site with two networks serves all of these, but for what cuts them. */
function networking(launch: Launch, { capabilities, whyLacking }: Backend): void {
  describe('with two networks', () => {
    let site: Site

    beforeAll(async () => {
      site = await launch(networkedPlan())
    }, SLOW)
    afterAll(() => site?.[Symbol.asyncDispose]())

    const addressOf = (node: string, network: string) => site.node(node).addresses[network]!

    test('gives each node an address of its own in each of its networks, and its units theirs', async () => {
      const gate = site.node('gate')
      const [outside, inside] = [addressOf('gate', 'outside'), addressOf('gate', 'inside')]
      const [outer, inner] = [site.node('outer').address, site.node('inner').address]
      const read = async (file: string) => JSON.parse(await gate.readFile(`units/back/${file}.json`))

      expect(Object.keys(gate.addresses)).toEqual(['outside', 'inside'])
      expect(site.node('outer').addresses).toEqual({ outside: outer })
      expect(new Set([outside, inside, outer, inner]).size).toBe(4)
      expect([gate.address, site.resolve(hostOf('gate'))]).toEqual([outside, outside])
      expect(await read('own')).toEqual([inside, outside, inside])
      expect(await read('others')).toEqual([outer, inner, inner])
    })

    test('leads a name to where both are, for Node programs and for others, and elsewhere only who finds it', async () => {
      const look = (ways: string) => {
        const [from = '', to = ''] = ways.split(' ')
        const find = `require('node:dns').lookup('${hostOf(to)}', (cause, address) => console.log(cause?.code ?? address))`
        return output(site.node(from), 'node', '-e', find)
      }
      const all = () => Promise.all(['outer gate', 'inner gate', 'gate outer', 'gate inner', 'gate gate'].map(look))
      const [outside, inside] = [addressOf('gate', 'outside'), addressOf('gate', 'inside')]
      const found = [outside, inside, site.node('outer').address, site.node('inner').address, outside]

      expect(await all()).toEqual(found)
      expect(await Promise.all(['outer inner', 'inner outer'].map(look))).toEqual(['ENOTFOUND', 'ENOTFOUND'])
      if (capabilities.names) {
        const find = async (from: string, to: string) =>
          (await output(site.node(from), 'getent', 'ahostsv4', hostOf(to))).split(/\s/)[0]
        const names = [find('outer', 'gate'), find('inner', 'gate'), find('outer', 'inner')]
        expect(await Promise.all(names)).toEqual([outside, inside, ''])
      }
      if (site.lead === undefined) return
      await site.lead(hostOf('outer'), '127.0.0.9')
      expect([await look('gate outer'), await look('inner outer')]).toEqual(['127.0.0.9', 'ENOTFOUND'])
      await site.lead(hostOf('outer'))
      expect(await all()).toEqual(found)
    })

    test('has seats in each of its networks, and in no other', async () => {
      const [gate, inner] = [site.node('gate'), site.node('inner')]
      const seat = gate.seatIn('inside')
      const { stream, conn } = await seat.connect({ address: inner.address, port: 8080 })
      stream.destroy()
      await using listening = await seat.listen((came) => came.end('heard'))
      const { stream: heard } = await inner.seat.connect(listening)

      expect(conn).toMatch(new RegExp(`^${addressOf('gate', 'inside')}:`))
      expect(listening.address).toBe(addressOf('gate', 'inside'))
      expect(String(await bytesOf(heard))).toBe('heard')
      expect(gate.seat.address).toBe(addressOf('gate', 'outside'))
      expect(() => inner.seatIn('outside')).toThrow('node inner is not in network outside; it is in inside')
      expect(site.strangers(1, 'inside')[0]?.address).not.toBe(inner.address)
    })

    /** Whether a program on one node comes through to where another one listens. */
    const reaches = async (from: string, address: string, port: number) => {
      const call = `require('node:net').connect({ host: '${address}', port: ${port}, timeout: 2_000 })
        .on('connect', () => process.exit(void console.log('open')))
        .on('timeout', () => process.exit()).on('error', () => {})`
      return (await output(site.node(from), 'node', '-e', call)) === 'open'
    }
    /** What listens in the other network: at the node that is in both, and at one that shares none. */
    const across = () =>
      Promise.all([
        reaches('outer', addressOf('gate', 'inside'), 8081),
        reaches('outer', site.node('inner').address, 8080),
        reaches('inner', addressOf('gate', 'outside'), 8080),
        reaches('inner', site.node('outer').address, 8080),
      ])

    test('lets nodes reach each other where they share a network', async () => {
      const within = [
        reaches('gate', site.node('inner').address, 8080),
        reaches('gate', site.node('outer').address, 8080),
        reaches('inner', addressOf('gate', 'inside'), 8081),
        reaches('outer', addressOf('gate', 'outside'), 8080),
      ]
      expect(await Promise.all(within)).toEqual([true, true, true, true])
    })

    if (capabilities.networks) {
      test('[networks] lets nobody reach an address of a network that it is not in', async () => {
        expect(await across()).toEqual([false, false, false, false])
      })
    } else {
      test('[not supported] networks: by an address, all reach each other, and that is told', async () => {
        expect(await across()).toEqual([true, true, true, true])
        expect(whyLacking?.('networks')).toEqual(expect.any(String))
      })
    }
  })
}

const DAY = 86_400
/** Says that it runs, and ends once its clock is a day ahead of where it was. Prints how long that took by the monotonic clock. */
const watcher = `
  const [wall, steady] = [Date.now(), performance.now()]
  require('node:fs').writeFileSync('watching', '')
  setInterval(() => {
    if (Date.now() - wall > ${DAY - 60}_000) process.exit(void console.log(performance.now() - steady))
  }, 5)`

function findingNames(launch: Launch, { capabilities }: Pick<Backend, 'capabilities'>): void {
  test('[names] any program finds the hosts of the plan, where they are led to now, and other hosts as ever', async () => {
    // A moved clock is loaded into programs in the same way.
    const movable = capabilities.ownClock === true
    await using site = await launch(idlePlan('one', 'two'), movable ? { clock: 'movable' } : {})
    const { host, address } = site.node('one')
    const find = async (name: string) =>
      (await site.node('two').exec(['getent', 'ahostsv4', name])).stdout.split(/\s/)[0]
    expect([await find(host), await find('localhost'), await find('nobody.invalid')]).toEqual([
      address,
      '127.0.0.1',
      '',
    ])
    await site.lead?.(host, '127.0.0.9')
    if (site.lead !== undefined) expect(await find(host)).toBe('127.0.0.9')
    if (!movable) return
    await site.clock('two').shift(DAY)
    const seconds = Number(await output(site.node('two'), 'date', '+%s'))
    expect(Math.round((seconds - Date.now() / 1_000) / DAY)).toBe(1)
    expect(await find('localhost')).toBe('127.0.0.1')
  })
}

function movingClocks(launch: Launch, { capabilities }: Pick<Backend, 'capabilities'>): void {
  const ahead = async (site: Site, name: string) => {
    const now = Number(await output(site.node(name), 'node', '-p', 'Date.now()'))
    return Math.round((now - Date.now()) / (DAY * 1_000))
  }

  test('[ownClock] moves all nodes or one, which then differ; back again, too', async () => {
    await using site = await launch(idlePlan('one', 'two'), { clock: 'movable' })
    await site.clock().shift(DAY)
    expect([await ahead(site, 'one'), await ahead(site, 'two')]).toEqual([1, 1])
    await site.clock('two').shift(2 * DAY)
    expect([await ahead(site, 'one'), await ahead(site, 'two')]).toEqual([1, 3])
    expect(site.clock('two').offsetSeconds).toBe(3 * DAY)
    await site.clock().shift(-2 * DAY)
    expect([await ahead(site, 'one'), await ahead(site, 'two')]).toEqual([-1, 1])
    await expect(site.clock().shift(0.5)).rejects.toMatchObject({ code: 'HOLDFAST_CLOCK_SHIFT' })
    const moved = site.events().filter(({ event }) => event === 'clock-moved')
    expect(moved.slice(0, 3)).toMatchObject([
      { node: 'one', bySeconds: DAY },
      { node: 'two', bySeconds: DAY },
      { node: 'two', bySeconds: 2 * DAY },
    ])
  })

  test('[ownClock] moves a program that runs, and leaves its monotonic clock alone', async () => {
    await using site = await launch(idlePlan('one'), { clock: 'movable' })
    const node = site.node('one')
    const watched = node.exec(['node', '-e', watcher], { timeoutMs: 10_000 })
    await until(() => succeeds(node.readFile('watching')))
    await site.clock('one').shift(DAY)

    const { code, stdout } = await watched
    expect(code).toBe(0)
    expect(Number(stdout)).toBeLessThan(10_000)
  })

  test('[ownClock] a site can begin elsewhere in time, its real CA included; its evidence says so, and mints follow the clock of their holder', async () => {
    const plan = certifiedPlan()
    const renew = { lifetimeSeconds: 400, at: 0.8 }
    plan.nodes.client!.units.push(oneshot('token', ['server/web'], [tokenStep({}, renew)]))
    await using site = await launch(plan, { clock: 'movable', clockStartsAt: 30 * DAY })
    const client = site.node('client')
    const began = new X509Certificate(await client.readFile('credentials/own/cert.pem')).validFromDate
    const run = JSON.parse(await readFile(join(site.evidence, 'run.json'), 'utf8')) as Record<string, object>
    const minted = async () => Number((await client.readFile('credentials/token')).slice(6))

    expect(Math.abs(began.getTime() - Date.now() - 30 * DAY * 1_000)).toBeLessThan(60_000)
    expect(run.clock).toMatchObject({ kind: 'movable', startsAtSeconds: 30 * DAY })
    const builds = { 'step-ca': expect.any(String), step: expect.any(String) }
    expect(run.overlayBuilds).toEqual(capabilities.ownKernel ? undefined : builds)
    expect(await minted()).toBe(1)
    await site.clock().shift(330)
    await until(async () => (await minted()) >= 2)
  })

  test('[ownClock] a site that was launched without it keeps the machine’s clock', async () => {
    await using site = await launch(idlePlan('one'))

    await expect(site.clock('one').shift(60)).rejects.toMatchObject({ code: 'HOLDFAST_CLOCK_FIXED' })
    expect(JSON.parse(await readFile(join(site.evidence, 'run.json'), 'utf8'))).not.toHaveProperty('clock')
  })
}

/** What one node hears of another by its name, calling from its own address in the network of both as nodes do. */
function heard(site: Site, ways: string, port = 8080): Promise<string> {
  const [from = '', to = ''] = ways.split(' ')
  const { nodes } = site.plan
  const localAddress = site.node(from).addresses[sharedNetwork(nodes[from]!, nodes[to]!)!]
  const options = JSON.stringify({ host: hostOf(to), port, path: '/ready', localAddress, timeout: 1_000 })
  const ask = `require('node:http').get(${options}, ({ statusCode }) => process.exit(void console.log(statusCode)))
    .on('timeout', () => process.exit(void console.log('nothing')))`
  return output(site.node(from), 'node', '-e', ask)
}

function cutting(launch: Launch, { cutsAnyway }: BackendUnderTest): void {
  const nodes = { one: [webUnit('one')], two: [webUnit('two')], three: [webUnit('three')] }

  test('[partition] lets nothing pass between two nodes, either way, until it is healed; others are not concerned', async () => {
    await using site = await launch(planOf(nodes), { partition: true })
    const all = () => Promise.all(['one two', 'two one', 'one three', 'three two'].map((ways) => heard(site, ways)))

    expect(await all()).toEqual(['200', '200', '200', '200'])
    await site.partition('one', 'two')
    expect(await all()).toEqual(['nothing', 'nothing', '200', '200'])
    await site.partition('one', 'three')
    expect(await all()).toEqual(['nothing', 'nothing', 'nothing', '200'])
    await site.heal()
    expect(await all()).toEqual(['200', '200', '200', '200'])
    await expect(site.partition('one', 'nobody')).rejects.toMatchObject({ code: 'HOLDFAST_NODE_UNKNOWN' })
    const told = site.events().flatMap((event) => (event.event === 'cut-off' ? [`${event.node} ${event.from}`] : []))
    expect(told).toEqual(['one two', 'one three'])
  })

  test('[partition] cuts two nodes off in the network that both are in', async () => {
    await using site = await launch(networkedPlan(), { partition: true })
    const all = () =>
      Promise.all([heard(site, 'inner gate', 8081), heard(site, 'outer gate'), heard(site, 'gate inner')])

    expect(await all()).toEqual(['200', '200', '200'])
    await site.partition('gate', 'inner')
    expect(await all()).toEqual(['nothing', '200', 'nothing'])
    await site.heal()
    expect(await all()).toEqual(['200', '200', '200'])
  })

  test(`[partition] a site that was launched without it ${cutsAnyway ? 'can be cut, too' : 'stays whole'}`, async () => {
    await using site = await launch(planOf({ one: nodes.one, two: nodes.two }))

    const cut = site.partition('one', 'two')
    if (cutsAnyway) await cut
    else await expect(cut).rejects.toMatchObject({ code: 'HOLDFAST_NETWORK_WHOLE' })
  })
}

function impairing(launch: Launch): void {
  const nodes = { one: [webUnit('one')], two: [webUnit('two')], three: [oneshot('nothing')] }
  /** Ms until a node has connected to another one and heard its answer: two ways there and back. */
  const tookMs = async (site: Site, from: string, to = 'one') => {
    const began = performance.now()
    const { stream } = await site.node(from).seat.connect({ address: site.node(to).address, port: 8080 })
    stream.end('GET /ready HTTP/1.1\r\nHost: one\r\nConnection: close\r\n\r\n')
    expect(await text(stream)).toContain('200 OK')
    return performance.now() - began
  }

  test('[impairment] what passes between two nodes is late by so much, each way; others are not concerned', async () => {
    await using site = await launch(planOf(nodes))
    await Promise.all([tookMs(site, 'two'), tookMs(site, 'three')])
    await site.impair('one', 'two', { delayMs: 200 })

    expect(await tookMs(site, 'two')).toBeGreaterThanOrEqual(800)
    expect(await tookMs(site, 'one', 'two')).toBeGreaterThanOrEqual(800)
    expect(await tookMs(site, 'three')).toBeLessThan(800)
    await site.heal()
    expect(await tookMs(site, 'two')).toBeLessThan(800)
    await expect(site.impair('one', 'two', { loss: 1 })).rejects.toMatchObject({ code: 'HOLDFAST_IMPAIRMENT' })
    await expect(site.impair('one', 'two', { delayMs: -1 })).rejects.toMatchObject({ code: 'HOLDFAST_IMPAIRMENT' })
    const told = site.events().flatMap((event) => (event.event === 'impaired' ? [event] : []))
    expect(told).toEqual([expect.objectContaining({ node: 'one', to: 'two', delayMs: 200, loss: 0 })])
  })

  test('[impairment] what is lost now and then is sent again, and all bytes arrive as they were', async () => {
    await using site = await launch(planOf(nodes))
    const bytes = randomBytes(1_000_000)
    const came: Buffer[] = []
    await using listening = await site.node('two').seat.listen(async (stream) => {
      stream.end()
      const whole = await bytesOf(stream)
      // Of a connection that was given up, a busy machine may still send what asks for it, once it can pass.
      if (whole.length > 0) came.push(whole)
    })
    await site.impair('one', 'two', { loss: 0.99 })
    await expect(site.node('one').seat.connect(listening, AbortSignal.timeout(700))).rejects.toThrow()
    await site.impair('one', 'two', { delayMs: 5, loss: 0.1, seed: 7 })
    const { stream } = await site.node('one').seat.connect(listening)
    stream.resume().end(bytes)
    await until(() => came.length === 1)

    expect(bytes.equals(came[0]!)).toBe(true)
  })
}

/** Says who it is, and of each path whether it can be read. */
const whoReads = `
  const fs = require('node:fs')
  const can = (path) => { try { fs.readFileSync(path); return true } catch (cause) { return cause.code } }
  const { uid, homedir } = require('node:os').userInfo()
  console.log(JSON.stringify({ uid, home: process.env.HOME, read: process.argv.slice(1).map(can) }))`

function ownUsers(launch: Launch, ground: BackendUnderTest): void {
  test('[ownUsers] runs a unit with its steps as its user, who reads what is handed to it and nothing else', async () => {
    const [mine, other] = ['@{dir}/credentials/mine', '@{dir}/credentials/other']
    const set = { path: '@{dir}/credentials/set', mode: '0400', owner: 'nobody', folderMode: '0500' }
    const secret = '@{dir}/units/secret/file'
    const received: Step[] = [
      { receive: { from: 'ca', source: { file: secret }, to: { path: mine, mode: '0600', owner: 'nobody' } } },
      { receive: { from: 'ca', source: { file: secret }, to: { path: other, mode: '0600' } } },
      { receive: { from: 'ca', source: { folder: '@{dir}/units/secret' }, to: set } },
    ]
    const unit = webUnit('one', {
      after: ['one/received'],
      files: [{ path: '@{unit}/own/config.json', json: { secret: 1 } }],
      args: ['--decisions', '@{unit}/decisions.jsonl'],
      decisionLog: '@{unit}/decisions.jsonl',
      steps: [
        { write: { path: '@{unit}/later/written', text: 'x' } },
        script('require("node:fs").writeFileSync("made", "")'),
        script(whoReads, ['@{unit}/own/config.json', '@{unit}/later/written', mine, `${set.path}/file`]),
        script(whoReads, [other, '@{dir}/units/received/root']),
        { run: { program: { path: 'id' }, args: ['-G'] } },
      ],
    })
    const root = { path: '@{unit}/root', text: 'x' }
    const plan = planOf({
      ca: [oneshot('secret', [], [], [{ path: '@{unit}/file', text: 'of nobody' }])],
      one: [oneshot('received', ['ca/secret'], received, [root]), { ...unit, user: 'nobody' }],
    })
    await using site = await launch(plan)
    const node = site.node('one')
    const say = (...argv: string[]) => output(node, ...argv)
    const own = (...paths: string[]) => say('stat', '-c', '%U %a', ...paths)
    const [who = '', stranger = '', groups] = node.logs('web')

    expect(JSON.parse(who)).toEqual({
      uid: Number(await say('id', '-u', 'nobody')),
      home: join(node.dir, 'units/web'),
      read: [true, true, true, true],
    })
    expect(JSON.parse(stranger)).toMatchObject({ read: ['EACCES', 'EACCES'] })
    expect(await own('-L', 'credentials/set', 'credentials/set/file')).toBe('nobody 500\nnobody 400')
    expect(groups).toBe(await say('id', '-G', 'nobody'))
    expect(await say('ps', '-o', 'user=', '-p', await pidIn(node, 'web'))).toBe('nobody')
    const written = ['units/web', 'units/web/own', 'units/web/own/config.json']
    expect(await own(...written)).toBe('nobody 700\nnobody 700\nnobody 600')
    expect(await own('.', 'credentials', 'units/received')).toBe('root 711\nroot 711\nroot 700')
    expect(await node.decisions('web')).toHaveLength(1)
    await node.stop('web')
    await node.start('web')
    expect(await opens(node)).toBe(true)
  })

  test('[ownUsers] ends what runs as another user with the agent, and leaves no process and no folder', async () => {
    const unit = { ...webUnit('one', { args: ['--child', '--stubborn'] }), user: 'nobody' }
    const site = await launch(planOf({ one: [unit] }))
    process.kill(ground.agents(site).get('one') as number, 'SIGKILL')
    await until(async () => !(await opens(site.node('one'))))
    await site[Symbol.asyncDispose]()

    expect(await ground.leftovers(site.run)).toEqual([])
  })

  test('[ownUsers] refuses a user that the node does not have, by name', async () => {
    const unit = { ...oneshot('nothing'), user: 'nobody-of-this-name' }

    await expect(launch(planOf({ one: [unit] }))).rejects.toThrow(/nobody-of-this-name is not in \/etc\/passwd/)
  })
}

function ownKernels(launch: Launch, ground: BackendUnderTest): void {
  /** What a node hears of another one; a connection that nothing comes of is given up soon. */
  const heard = async (site: Site, from: string, to: string) => {
    const options = `{ host: '${site.node(to).address}', port: 8080, path: '/ready', timeout: 2_000 }`
    const ask = `require('node:http').get(${options}, ({ statusCode }) => process.exit(void console.log(statusCode)))
      .on('timeout', () => process.exit(void console.log('nothing')))
      .on('error', () => process.exit(void console.log('nothing')))`
    return output(site.node(from), 'node', '-e', ask)
  }
  const plan = planOf({ one: [webUnit('one')], two: [webUnit('two')] })

  test('[ownKernel] each node has a kernel of its own, whose network can be unplugged, and that can be stopped as a whole', async () => {
    await using site = await launch(plan)
    const boots = await Promise.all(
      ['one', 'two'].map((node) => site.node(node).readFile('/proc/sys/kernel/random/boot_id')),
    )
    expect(new Set(boots).size).toBe(2)
    const machine = site.machine('two')
    await machine.block()
    expect(await heard(site, 'one', 'two')).toBe('nothing')
    expect(await output(site.node('two'), 'cat', '/sys/class/net/eth0/carrier')).toBe('0')
    await machine.unblock()
    await until(async () => (await heard(site, 'one', 'two')) === '200')
    await machine.freeze()
    expect(await heard(site, 'one', 'two')).toBe('nothing')
    await machine.thaw()
    await until(async () => (await heard(site, 'one', 'two')) === '200')
    const told = site.events().flatMap((event) => (event.event === 'machine' ? [`${event.node} ${event.did}`] : []))
    expect(told).toEqual(['two block', 'two unblock', 'two freeze', 'two thaw'])
  })

  test('[ownKernel] a machine that loses its power is gone at once, and is told of by name', async () => {
    const site = await launch(plan)
    await site.machine('one').crash()

    expect(await heard(site, 'two', 'one')).toBe('nothing')
    expect(site.events()).toContainEqual(
      expect.objectContaining({ event: 'agent-gone', node: 'one', signal: 'SIGKILL' }),
    )
    await expect(site.node('one').exec(['true'])).rejects.toMatchObject({ code: 'HOLDFAST_AGENT_GONE' })
    await expect(site.node('one').readFile('units/web')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(site.node('one').waitForUnit('web')).rejects.toThrow('one/web is not ready: its agent is gone')
    await site[Symbol.asyncDispose]()
    expect(await ground.leftovers(site.run)).toEqual([])
  })

  test('[ownKernel] a machine that gets its power back boots anew with what its disk has kept, and its services are up again', async () => {
    const write = "fs.mkdirSync('kept'); fs.writeFileSync('kept/file', 'of before', { flush: true })"
    const once = oneshot(
      'once',
      [],
      [script("console.log('made')"), script(write.replaceAll('fs.', "require('node:fs')."), [], { cwd: '@{dir}' })],
    )
    const spill = planOf({ one: [once, webUnit('one', { after: ['one/once'] })], two: [webUnit('two')] })
    await using site = await launch(spill)
    const [one, machine] = [site.node('one'), site.machine('one')]
    const boot = () => one.readFile('/proc/sys/kernel/random/boot_id')
    const first = await boot()
    await output(one, 'touch', '/tmp/in-memory')
    await expect(machine.start()).rejects.toMatchObject({ code: 'HOLDFAST_MACHINE_STATE' })
    await output(one, 'sync')
    await machine.crash()
    await machine.start()

    expect(await boot()).not.toBe(first)
    expect(await one.readFile('kept/file')).toBe('of before')
    await expect(one.readFile('/tmp/in-memory')).rejects.toMatchObject({ code: 'ENOENT' })
    await one.waitForUnit('web')
    expect(await heard(site, 'two', 'one')).toBe('200')
    // What was done is not done again.
    expect(one.logs('once')).toEqual(['made'])
    await one.stop('web')
    await one.start('web')
    expect(await opens(one, site.node('two').seat)).toBe(true)
    const told = site.events().flatMap((event) => (event.event === 'machine' ? [`${event.node} ${event.did}`] : []))
    expect(told).toEqual(['one crash', 'one start'])
  })
}

/** What a backend lacks must be refused by name, not do nothing. */
function refusing(backend: Backend, launch: Launch): void {
  const operations: Partial<Record<keyof Capabilities, (site: Site) => Promise<unknown>>> = {
    partition: (site) => site.partition('one', 'two'),
    impairment: (site) => site.impair('one', 'two', { delayMs: 1 }),
    ownClock: (site) => site.clock('one').shift(60),
    ownKernel: (site) => site.machine('one').crash(),
    ownUsers: async () => {
      await using _ = await launch(planOf({ one: [{ ...webUnit('one'), user: 'nobody' }] }))
    },
  }
  for (const [capability, operate] of Object.entries(operations)) {
    const known = capability as keyof Capabilities
    if (backend.capabilities[known]) continue
    test(`[not supported] ${capability}`, async () => {
      await using site = await launch(idlePlan('one', 'two'))
      await expect(operate(site)).rejects.toMatchObject({
        code: 'HOLDFAST_NOT_SUPPORTED',
        message: `backend ${backend.name} has no ${capability}; ${backend.whyLacking?.(known) ?? 'use a backend that has it'}`,
      })
    })
  }
}

/** A site of a coordinator of its own, which can be killed: then only its folder is left, soon. */
async function holdSite(
  { backend, leftovers }: BackendUnderTest,
  ...args: string[]
): Promise<{ run: string; evidence: string; killed: () => Promise<unknown> }> {
  const evidence = await mkdtemp(join(tmpdir(), 'holdfast-conformance-held-'))
  onTestFinished(() => rm(evidence, { recursive: true, force: true }))
  const argv = [holder, backend.name, evidence, 'small', ...args]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const run of createInterface(child.stdout)) {
    const killed = () => {
      child.kill('SIGKILL')
      return until(async () => (await leftovers(run)).every((what) => what.startsWith('folder ')), 5_000)
    }
    return { run, evidence, killed }
  }
  throw new Error('the coordinator ended before its site was ready')
}

/** How a launch failed. */
async function failureOf(launched: Promise<Site>): Promise<SiteNotReady> {
  const cause: unknown = await launched.catch((reason: unknown) => reason)
  expect(cause).toBeInstanceOf(SiteNotReady)
  return cause as SiteNotReady
}

/** What became of units, in order, as `unit-ready NODE/UNIT`. */
function turnsIn(events: readonly SiteEvent[]): string[] {
  const turn = (event: SiteEvent) => ('unit' in event ? [`${event.event} ${event.node}/${event.unit}`] : [])
  return events.filter(({ event }) => event !== 'log').flatMap(turn)
}

function expectInOrder(turns: readonly string[], before: string, after: string): void {
  expect(turns.filter((turn) => turn === before || turn === after)).toEqual([before, after])
}

function last(events: readonly SiteEvent[], event: string): SiteEvent | undefined {
  return events.findLast((entry) => entry.event === event)
}

/** What a program on a node prints. */
async function output(node: SiteNode, ...argv: string[]): Promise<string> {
  return (await node.exec(argv)).stdout.trim()
}

/** The process of the fixture program, as it says itself. */
/** It listens, and with that is ready, before it says so. */
function pidIn(node: SiteNode, unit: string): Promise<string> {
  return until(() => /pid (\d+)/.exec(node.logs(unit).join())?.[1])
}

async function modesOf(node: SiteNode, ...paths: string[]): Promise<string[]> {
  const script = 'for (const path of process.argv.slice(1)) console.log((fs.statSync(path).mode & 0o7777).toString(8))'
  return (await output(node, 'node', '-e', script, ...paths)).split('\n')
}

/** Whether the fixture program takes connections, from the node itself or another seat. A machine that is gone refuses none: it says nothing. */
function opens({ address, seat: own }: SiteNode, seat = own): Promise<boolean> {
  const within = AbortSignal.timeout(5_000)
  return succeeds(seat.connect({ address, port: 8080 }, within).then(({ stream }) => stream.destroy()))
}

function succeeds(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  )
}

/** Looks until it is so; the wait is bounded. */
function until<T>(condition: () => T | Promise<T>, timeout = 20_000) {
  return vi.waitUntil(condition, { timeout, interval: 5, message: String(condition) })
}
