import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { firstRefusal } from '../../shared/guard.ts'
import { type Configuration, program } from '../config.ts'
import type { TestCa } from '../testing/certificates.ts'
import { hold, holdServer, liveRoot, liveSub } from '../testing/live.ts'
import { makeProvisionerJwk } from '../testing/provisioner.ts'
import { issuingCas, START_GUARDS, type Start } from './guards.ts'
import { readMaterial } from './prepare.ts'

const folder = mkdtempSync(join(tmpdir(), 'gateway-start-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function put(text: string, mode = 0o600): string {
  files += 1
  const path = join(folder, `${files}`)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

// biome-ignore lint/suspicious/noExplicitAny: what is wrong with a configuration may be anything.
type Given = any

const SECRET = 'bbbbZk3mQ9xW1rT7yU2pL5sD8fG4hJ6cV0nA'
let root: TestCa
let below: TestCa
let fingerprint: string
let jwk: Awaited<ReturnType<typeof makeProvisionerJwk>>
let good: Record<string, Given>

beforeAll(async () => {
  root = await liveRoot('root')
  below = await liveSub(root, 'below')
  fingerprint = root.certificate.fingerprint256
  jwk = await makeProvisionerJwk()
  const server = await holdServer(root, ['gateway-b.example'])
  good = {
    ...{
      tier: 'federated',
      publicName: 'gateway-b.example',
      decisionLog: join(folder, 'log'),
      databaseUrl: 'postgres://x',
    },
    sealing: { secretFile: put(`${SECRET}\n`) },
    stepCa: {
      ...{ url: 'https://ca.example:9000', rootCertPath: put(String(root.certificate)), rootFingerprint: fingerprint },
      provisionerKeyFile: put(JSON.stringify(jwk)),
    },
    tls: { cert: put(server.cert), key: put(server.key) },
    clientCa: put(`${root.certificate}\n${below.certificate}\n`),
    crl: { rootCrlFile: join(folder, 'root.crl') },
  }
})

async function started(
  changes: Record<string, Given> = {},
): Promise<{ start: Start; found: string | undefined; message: string }> {
  const merged = { ...good }
  for (const [key, value] of Object.entries(changes))
    merged[key] = value?.constructor === Object ? { ...good[key], ...value } : value
  const start: Start = { configuration: program.schema.parse(merged) as Configuration, now: Date.now() }
  const found = await firstRefusal(START_GUARDS, start)
  return { start, found: found && `${found.guard} ${found.refusal.reason}`, message: start.failure?.message ?? '' }
}

test('a start that nothing is wrong with has all that it needs', async () => {
  const { start, found } = await started()
  expect(found).toBeUndefined()
  expect(start.secrets).toMatchObject({ databaseUrl: 'postgres://x', sealing: { secret: SECRET, previous: [] } })
  expect([start.ca?.url, start.ca?.fingerprint, start.provisionerKey?.kid]).toEqual([
    'https://ca.example:9000',
    fingerprint.replaceAll(':', '').toLowerCase(),
    jwk.kid,
  ])
  expect(start.material?.trusted).toHaveLength(2)
  expect(issuingCas(start, Date.now()).map(String)).toEqual([root, below].map(({ certificate }) => String(certificate)))
})

test('without a file of CAs for clients the root is the only one', async () => {
  const { start } = await started({ clientCa: undefined })
  expect(start.material?.trusted).toEqual([String(root.certificate)])
})

test('a root that is put in the place of the pinned one lets in nobody, however long the gateway runs', async () => {
  const rootCertPath = put(String(root.certificate))
  const stepCa = { ...good.stepCa, rootCertPath, rootFingerprint: undefined }
  const configuration = program.schema.parse({ ...good, clientCa: undefined, stepCa }) as Configuration
  const pin = fingerprint.replaceAll(':', '').toLowerCase()
  expect((await readMaterial(configuration, pin)).trusted).toEqual([String(root.certificate)])
  writeFileSync(rootCertPath, String((await liveRoot('other')).certificate))
  await expect(readMaterial(configuration, pin)).rejects.toMatchObject({ guard: 'start.ca', reason: 'ca_root_pin' })
  writeFileSync(rootCertPath, String(root.certificate))
  expect((await readMaterial(configuration, pin)).trusted).toHaveLength(1)
})

test('up to three secrets that sealed before are taken, also weak ones', async () => {
  const { start } = await started({ sealing: { previous: 'one two\nthree' } })
  expect(start.secrets?.sealing?.previous).toEqual(['one', 'two', 'three'])
  expect(await started({ sealing: { previous: 'one two three four' } })).toMatchObject({
    found: 'start.config config_invalid',
    message: expect.stringContaining('4 secrets'),
  })
})

type Fault = [
  what: string,
  change: () => Promise<Record<string, Given>> | Record<string, Given>,
  found: string,
  message: RegExp,
]

test.each<Fault>([
  [
    'a secret file that others can read',
    () => ({ sealing: { secretFile: put(SECRET, 0o640) } }),
    'start.config config_invalid',
    /can be read by others; make it 0600/,
  ],
  [
    'a secret and its file',
    () => ({ sealing: { secret: SECRET } }),
    'start.config config_invalid',
    /sealing\.secret and its file .* leave one of them out/,
  ],
  [
    'a secret file that is not there',
    () => ({ sealing: { secretFile: join(folder, 'none') } }),
    'start.config config_invalid',
    /ENOENT/,
  ],
  [
    'a secret file of nothing',
    () => ({ sealing: { secretFile: put(' \n') } }),
    'start.config config_invalid',
    /is empty/,
  ],
  [
    'a URL of the database and its file',
    () => ({ databaseUrlFile: put('postgres://y') }),
    'start.config config_invalid',
    /databaseUrl/,
  ],
  [
    'a provisioner key that others can read',
    () => ({ stepCa: { provisionerKeyFile: put(JSON.stringify(jwk), 0o604) } }),
    'start.config config_invalid',
    /provisionerKey/,
  ],
  [
    'an operator token of few bytes',
    () => ({ admin: { operatorTokenFile: put('x'.repeat(31)) } }),
    'start.config config_invalid',
    /less than 32 bytes/,
  ],
  [
    'a short secret',
    () => ({ sealing: { secretFile: put(SECRET.slice(0, 31)) } }),
    'start.secret secret_weak',
    /less than 32 bytes; make one/,
  ],
  [
    'a secret that is a placeholder',
    () => ({ sealing: { secretFile: put(`change-me-${SECRET}`) } }),
    'start.secret secret_weak',
    /placeholder/,
  ],
  ['a CA by plain http', () => ({ stepCa: { url: 'http://ca.example:9000' } }), 'start.ca ca_url', /not https/],
  ['a CA with a user', () => ({ stepCa: { url: 'https://a:b@ca.example' } }), 'start.ca ca_url', /not https/],
  ['a CA that is no URL', () => ({ stepCa: { url: 'ca' } }), 'start.ca ca_url', /not https/],
  [
    'a root that is not there',
    () => ({ stepCa: { rootCertPath: join(folder, 'none') } }),
    'start.ca ca_root',
    /ENOENT/,
  ],
  ['a root file of nothing', () => ({ stepCa: { rootCertPath: put('') } }), 'start.ca ca_root', /holds no certificate/],
  [
    'a root that is no CA',
    async () => ({ stepCa: { rootCertPath: put((await hold(root)).cert) } }),
    'start.ca ca_root',
    /not a CA/,
  ],
  ['two roots', () => ({ stepCa: { rootCertPath: good.clientCa } }), 'start.ca ca_root', /2 certificates/],
  [
    'an intermediate for a root',
    () => ({ stepCa: { rootCertPath: put(String(below.certificate)) } }),
    'start.ca ca_root',
    /another one signed/,
  ],
  [
    'another pin',
    () => ({ stepCa: { rootFingerprint: 'a'.repeat(64) } }),
    'start.ca ca_root_pin',
    /another root than the pinned one/,
  ],
  [
    'a provisioner key that is none',
    () => ({ stepCa: { provisionerKeyFile: put('{"kty":"EC"') } }),
    'start.provisioner provisioner_key',
    /no JSON object/,
  ],
  [
    'a public provisioner key',
    () => ({ stepCa: { provisionerKeyFile: put(JSON.stringify({ ...jwk, d: undefined })) } }),
    'start.provisioner provisioner_key',
    /public key/,
  ],
  [
    'a provisioner key of another kid',
    () => ({ stepCa: { provisionerKeyFile: put(JSON.stringify({ ...jwk, kid: 'k' })) } }),
    'start.provisioner provisioner_key',
    /thumbprint/,
  ],
  [
    'a certificate that is not there',
    () => ({ tls: { cert: join(folder, 'none') } }),
    'start.tls server_tls',
    /ENOENT/,
  ],
  [
    'a certificate of another key',
    async () => ({ tls: { key: put((await holdServer(root, ['b.example'])).key) } }),
    'start.tls server_tls',
    /not the key of/,
  ],
  ...[0o640, 0o604].map(
    (mode): Fault => [
      `a key of its certificate with mode 0${mode.toString(8)}`,
      () => ({ tls: { key: put(readFileSync(good.tls.key, 'utf8'), mode) } }),
      'start.tls server_tls',
      /the private key .* can be read by others; make it 0600/,
    ],
  ),
  [
    'a certificate of another name',
    async () => {
      const { cert, key } = await holdServer(root, ['c.example'], { subject: 'CN=gateway-b.example' })
      return { tls: { cert: put(cert), key: put(key) } }
    },
    'start.tls server_tls',
    /no DNS SAN for gateway-b\.example/,
  ],
  [
    'a certificate that has ended',
    async () => {
      const { cert, key } = await holdServer(root, ['gateway-b.example'], { notAfter: new Date(Date.now() - 1_000) })
      return { tls: { cert: put(cert), key: put(key) } }
    },
    'start.tls server_tls',
    /ended/,
  ],
  ['no CA for clients', () => ({ clientCa: put('x') }), 'start.tls client_ca', /holds no certificate/],
  [
    'a leaf as a CA for clients',
    async () => ({ clientCa: put((await hold(root)).cert) }),
    'start.tls client_ca',
    /not a CA/,
  ],
])('%s stops it, and the message says what to do and nothing secret', async (_, change, found, message) => {
  const given = await started(await change())
  expect([given.found, given.message]).toEqual([found, expect.stringMatching(message)])
  for (const secret of [SECRET, SECRET.slice(0, 31), String(jwk.d), 'postgres://'])
    expect(given.message).not.toContain(secret)
})
