import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCrl } from '../certificates/crl.ts'
import { program } from '../config.ts'
import { holdServer } from '../testing/live.ts'
import { type StepCa, stepCa } from '../testing/step-ca.ts'
import { doctor } from './doctor.ts'

// What the real step-ca answers to whoever looks at it.

const folder = mkdtempSync(join(tmpdir(), 'gateway-doctor-ca-'))
let ca: StepCa
beforeAll(async () => {
  ca = await stepCa()
}, 600_000)
afterAll(async () => {
  await ca[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function put(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content, { mode: 0o600 })
  return join(folder, name)
}

async function examine(isDeep: boolean) {
  const { cert, key } = await holdServer(ca.root, ['gateway-b.example'])
  const times = { thisUpdate: new Date(Date.now() - 60_000), nextUpdate: new Date(Date.now() + 600_000) }
  const configuration = program.schema.parse({
    ...{ tier: 'federated', publicName: 'gateway-b.example', decisionLog: join(folder, 'log') },
    databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
    sealing: { secretFile: put('secret', 'bbbbZk3mQ9xW1rT7yU2pL5sD8fG4hJ6cV0nA') },
    stepCa: {
      ...{ url: ca.url, rootCertPath: put('root.pem', String(ca.root.certificate)) },
      provisionerKeyFile: put('key.json', JSON.stringify({ ...ca.key.key.export({ format: 'jwk' }), kid: ca.key.kid })),
    },
    clientCa: put('clients.pem', `${ca.root.certificate}${ca.issuing.certificate}`),
    tls: { cert: put('cert.pem', cert), key: put('key.pem', key) },
    crl: { rootCrlFile: put('root.crl', await ca.root.crl({ ...times, point: undefined })) },
  })
  const { checks } = await doctor({ load: () => configuration, isDeep })
  return Object.fromEntries(checks.filter(({ id }) => id.startsWith('ca.')).map(({ id, ...check }) => [id, check]))
}

test('it is who it should be, well, on time, knows us, and has a list', async () => {
  const before = ca.issued()
  const found = await examine(false)
  expect(Object.entries(found).map(([id, { status, detail }]) => [id, status, detail])).toEqual([
    ['ca.https', 'ok', expect.stringContaining('proves itself')],
    ['ca.pin', 'ok', expect.stringContaining('see postgres.connect')],
    ['ca.health', 'ok', expect.any(String)],
    ['ca.provisioner', 'ok', expect.stringContaining('mosaic-fed')],
    ['ca.clock', 'ok', 'the clock of the CA is right'],
    ['ca.crl', 'ok', expect.stringContaining('0 revoked')],
  ])
  expect(ca.issued()).toBe(before)
})

test('what it issues for a deep look has both extensions, and is in its list afterwards', async () => {
  const found = await examine(true)
  expect(found['ca.provisioner']).toMatchObject({
    status: 'ok',
    detail: expect.stringContaining('both extensions, and was revoked'),
  })
  expect(found['ca.crl']).toMatchObject({ status: 'ok', detail: expect.stringContaining('1 revoked') })
  const client = ca.client()
  const distributionPoint = `${ca.url}/1.0/crl`
  const list = readCrl(await client.list(distributionPoint), {
    issuer: ca.issuing.certificate,
    distributionPoint,
    now: Date.now(),
  })
  client.close()
  expect(list.serials.size).toBe(1)
})
