import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { issueLeaf, rogueAuthority } from '../harness/pki/authority.ts'
import { attacks, matrix } from '../harness/vitest.ts'
import { tokenCases } from '../scenarios/controls/cases.ts'
import { freePort } from './free-port.ts'

// An issuer that is up before any site, with a certificate of a CA of its own, and stays when the site has ended.
vi.setConfig({ testTimeout: 120_000 })

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'controls', 'issuer')
const folder = await mkdtemp(join(tmpdir(), 'holdfast-idp-'))
const file = (name: string) => join(folder, name)
const url = `https://127.0.0.1:${await freePort()}`
const authority = await rogueAuthority('Corp Root')
const san = { type: 'ip', value: '127.0.0.1' } as const
const { certPem, keyPem } = await issueLeaf({ authority, subject: 'idp', sans: [san] })
await writeFile(file('root.pem'), authority.anchorPem)
// As its administrator would make a machine trust it.
vi.stubEnv('SSL_CERT_FILE', file('root.pem'))
await writeFile(file('idp.pem'), certPem)
await writeFile(file('idp.key'), keyPem, { mode: 0o600 })

let server: ChildProcess
beforeAll(async () => {
  const own = { CERT: file('idp.pem'), KEY: file('idp.key'), TRUST: file('trust'), PID_FILE: file('idp.pid') }
  const env = { ...process.env, ISSUER: url, ...own }
  server = spawn(process.execPath, [join(fixtures, 'running.mjs')], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  await vi.waitFor(() => stat(file('idp.pid')), 10_000)
})
afterAll(async () => {
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill()
  vi.unstubAllEnvs()
  await ended
  await rm(folder, { recursive: true, force: true })
})

const topology = file('up.json')
await writeFile(topology, JSON.stringify(await declared()))
await matrix(topology, { full: false })
await attacks(topology, { targets: ['gateway', 'twin'], cases: [...tokenCases, 'PEER-15', 'TLS-17'] })

test('the server is told the clients of the run, and goes on when that has ended', async () => {
  const clients: unknown = JSON.parse(await readFile(join(folder, 'trust', 'clients.json'), 'utf8'))

  expect(clients).toMatchObject([
    { client_id: 'shop-app', token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks: { keys: [{}] } },
    { client_id: 'courier-app', tls_client_auth_san_dns: 'courier.corp.test' },
  ])
  expect(server.exitCode).toBeNull()
})

/** The declaration of the fixtures, with the place of this server. */
async function declared() {
  const lab = JSON.parse(await readFile(join(fixtures, 'up.json'), 'utf8'))
  const reload = ['sh', '-c', `kill -HUP "$(cat '${file('idp.pid')}')"`]
  Object.assign(lab.nodes.idp.units.idp.settings, { url, ca: 'system', trust: file('trust'), reload })
  for (const node of ['gateway', 'twin']) lab.nodes[node].units.gateway.settings.run[1] = join(fixtures, 'gateway.mjs')
  return lab
}
