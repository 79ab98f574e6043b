import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, test, vi } from 'vitest'
import { backend, callParts, compile } from '../harness/shipped.ts'
import { LoadedTopology } from '../harness/topology/loaded-topology.ts'
import { scenarioOn } from '../harness/vitest/scenario.ts'
import { expect, matrix } from '../harness/vitest.ts'
import { freePort } from './free-port.ts'

// Sites of their own, one after the other.
vi.setConfig({ testTimeout: 300_000 })

const folder = join(import.meta.dirname, '..', 'docs', 'guides', 'examples', 'gateway')

async function planOf(settings: Record<string, unknown>) {
  const value = JSON.parse(await readFile(join(folder, 'lab.json'), 'utf8'))
  const { gateway } = value.nodes.gateway.units
  gateway.settings = { ...gateway.settings, ...settings }
  return compile(new LoadedTopology('lab', value, {}, { folder }))
}

/** The lab of the guide with a gateway that is declared otherwise. */
function lab(settings: Record<string, unknown>) {
  const parts = async () => ({
    backend: backend('process'),
    ...(await callParts()),
    keep: false,
    plan: () => planOf(settings),
  })
  return scenarioOn({}, parts)
}

const stolen = { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch' }

await matrix('../docs/guides/examples/gateway/lab.json')

const first = lab({ run: ['node', 'first/gateway.mjs'] })

first('the first gateway of the guide takes a stolen token, and the verdict says so', async ({ site, credential }) => {
  const shop = credential('shop')
  const verdict = await site.call('shop', 'gateway', 'call', shop.over(credential('cert-courier')))
  const judged = () => expect(verdict).toBeRefused({ ...stolen, proof: 'status alone' })

  expect(verdict).toMatchObject({ verdict: 'accepted', status: 200, proof: 'status alone', decision: undefined })
  expect(judged).toThrow('the caller got what the action promises')
  expect(judged).toThrow('proof     status alone; effects not observed')
})

const log = '^(?<conn>[0-9]+) refused: (?<reason>.+)$'
const reasons = { cnf_x5t_mismatch: 'not its holder', token_missing: 'no token' }
const logged = lab({ observe: { log, reasons }, observePath: '/orders' })

logged('a log shows the reason of each call, where its word is known', async ({ site, credential }) => {
  const shop = credential('shop')
  const verdict = await site.call('shop', 'gateway', 'call', shop.over(credential('cert-courier')))

  expect(verdict).toBeRefused({ ...stolen, proof: 'log line' })
  expect(verdict).toMatchObject({ proof: 'log line', reason: 'cnf_x5t_mismatch', effects: { observed: true } })
  expect(() => expect(verdict).toBeRefused(stolen)).toThrow("allow that by proof: 'log line'")
  expect(() => expect(verdict).toBeRefused({ ...stolen, reason: 'token_missing', proof: 'log line' })).toThrow(
    'reason cnf_x5t_mismatch, expected token_missing',
  )
})

logged('a reason without a word of its own is shown, and not compared', async ({ site, credential }) => {
  const bad = credential('shop').withToken('a.b.c')
  const verdict = await site.call('shop', 'gateway', 'call', bad)

  expect(verdict).toBeRefused({ ...stolen, reason: 'token_malformed', proof: 'log line' })
  expect(verdict.reason).toMatch(/^ERR_/)
})

const other = lab({ observe: { log: 'denied (?<reason>.+)' } })

other('who logs in another way than was declared is told what was missing', async ({ site, credential }) => {
  const verdict = await site.call('shop', 'gateway', 'call', credential('shop').withoutToken(), { waitMs: 100 })

  expect(() => expect(verdict).toBeRefused({ status: 401, reason: 'token_missing', proof: 'log line' })).toThrow(
    'no line of its log matches denied (?<reason>.+), 100 ms after the call',
  )
})

const work = await mkdtemp(join(tmpdir(), 'holdfast-up-'))
const port = await freePort()
const service = spawn(process.execPath, [join(import.meta.dirname, 'fixtures', 'long-lived-gateway.mjs')], {
  env: { ...process.env, PORT: String(port), TRUST: join(work, 'trust') },
  stdio: ['ignore', 'inherit', 'inherit'],
})
afterAll(async () => {
  await ended(service)
  await rm(work, { recursive: true, force: true })
})
const up = lab({ run: undefined, url: `https://127.0.0.1:${port}`, trust: join(work, 'trust'), scope: undefined })

up(
  'a service that is up before the run is told what to believe, and tried like any other',
  async ({ site, credential }) => {
    const shop = credential('shop')
    const stolenToken = shop.over(credential('cert-courier'))
    expect(await site.call('shop', 'gateway', 'call', shop)).toBeAccepted()
    expect(await site.call('shop', 'gateway', 'call', stolenToken)).toBeRefused({ ...stolen, proof: 'status alone' })
    expect((await stat(join(work, 'trust', 'key.pem'))).mode & 0o777).toBe(0o600)
    await expect(site.node('gateway').stop('gateway')).rejects.toThrow('was up before this run')
    expect(service.exitCode).toBeNull()
  },
)

const reloadingPort = await freePort()
const pidFile = join(work, 'gateway.pid')
const reloadedTrust = join(work, 'reloaded')
const reloading = spawn(process.execPath, [join(folder, 'reloading.mjs')], {
  env: { ...process.env, PORT: String(reloadingPort), TRUST: reloadedTrust, PID_FILE: pidFile },
  stdio: ['ignore', 'inherit', 'inherit'],
})
afterAll(() => ended(reloading))
await vi.waitFor(() => stat(pidFile), 10_000)

/** The gateway of the guide that is up already, and how it is told to read its files. */
const declared = (reload: readonly string[]) => ({
  ...{ run: undefined, url: `https://127.0.0.1:${reloadingPort}`, trust: reloadedTrust, keys: 'file' },
  ...{ reload, readyWithin: '2s' },
})
const hup = ['sh', '-c', `kill -HUP "$(cat '${pidFile}')"`]

for (const time of ['first', 'second']) {
  lab(declared(hup))(
    `a service that reads its files on SIGHUP believes the ${time} run that tells it`,
    async ({ site, credential }) => {
      const shop = credential('shop')
      const stolenToken = shop.over(credential('cert-courier'))
      expect(await site.call('shop', 'gateway', 'call', shop)).toBeAccepted()
      expect(await site.call('shop', 'gateway', 'call', stolenToken)).toBeRefused({ ...stolen, proof: 'status alone' })
      expect(reloading.exitCode).toBeNull()
    },
  )
}

test.each([
  [
    ['./no-such-program'],
    /gateway\/gateway: settings\.reload \/.*no-such-program cannot be executed .*name a program that is there/,
  ],
  [['sh', '-c', 'exit 3'], /gateway\/gateway: settings\.reload sh exited with 3/],
  // Nothing reads the files: what it starts in the background ends with it.
  [
    ['sh', '-c', 'sleep 600 & exit 0'],
    /what settings\.reload starts is ended with it: let the service read them itself \(SIGHUP\), or a service manager restart it/,
  ],
])('the reload %j is told by its unit and setting', async (reload, message) => {
  const launched = backend('process').launch(await planOf(declared(reload)), {
    evidence: join(work, 'evidence'),
    signal: AbortSignal.timeout(30_000),
  })
  await expect(launched).rejects.toThrow(message)
})

async function ended(service: ChildProcess): Promise<void> {
  if (service.exitCode !== null) return
  const exit = new Promise((resolve) => service.once('exit', resolve))
  service.kill()
  await exit
}
