import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calculateJwkThumbprint } from 'jose'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { toolPaths } from '../../shared/testing/tools.ts'
import { readCrl } from '../certificates/crl.ts'
import { readUuid } from '../certificates/extension-values.ts'
import { readLeaf } from '../certificates/leaf.ts'
import { derInPem } from '../certificates/pem.ts'
import { GRANT, makeCsr, OIDS, PEER, SUBJECT, type TestCa } from '../testing/certificates.ts'
import { keyPem, liveRoot, liveSub } from '../testing/live.ts'
import { type CaClient, createCaClient } from './ca-client.ts'
import { type ProvisionerKey, readProvisionerKey } from './provisioner-key.ts'

// The real step-ca, which says what the client must understand.

const folder = mkdtempSync(join(tmpdir(), 'gateway-step-ca-'))
let root: TestCa
let issuing: TestCa
let url: string
let jwk: JsonWebKey
let key: ProvisionerKey
let program: string
let running: ChildProcess | undefined
let client: CaClient

const TEMPLATE = `{{- if or (not .Token.mosaic_grant_id) (not .Token.mosaic_subject_user_id) }}{{ fail "grant and subject are required" }}{{ end -}}
{ "subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["clientAuth"],
  "basicConstraints": {"isCA": false}, "crlDistributionPoints": ["CRL_URL"],
  "extensions": [ {"id": "${OIDS.grant}", "critical": false, "value": {{ asn1Marshal .Token.mosaic_grant_id "utf8" | toJson }}},
                  {"id": "${OIDS.subject}", "critical": false, "value": {{ asn1Marshal .Token.mosaic_subject_user_id "utf8" | toJson }}} ] }
`

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function start(): Promise<void> {
  running = spawn(program, [join(folder, 'ca.json')], { stdio: 'ignore' })
  await vi.waitFor(async () => expect(await client.isReady()).toBe(true), { timeout: 20_000, interval: 50 })
}

async function stop(): Promise<void> {
  if (running === undefined || running.exitCode !== null) return
  running.kill('SIGTERM')
  await once(running, 'exit')
}

function newClient(changes: { rootPem?: string; now?: () => number } = {}): CaClient {
  const rootFingerprint = createHash('sha256').update(root.certificate.raw).digest('hex')
  const signer = { caUrl: url, provisioner: 'mosaic-fed', key, rootFingerprint }
  return createCaClient({ signer, rootPem: String(root.certificate), ...changes })
}

beforeAll(async () => {
  program = toolPaths('step-ca')['step-ca']
  root = await liveRoot('root')
  issuing = await liveSub(root, 'issuing')
  jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const kid = await calculateJwkThumbprint(jwk)
  key = await readProvisionerKey(JSON.stringify({ ...jwk, kid }))
  const port = await unusedPort()
  url = `https://localhost:${port}`
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  mkdirSync(join(folder, 'db'))
  const { d: _, ...publicKey } = jwk
  put(
    'ca.json',
    JSON.stringify({
      root: put('root.crt', String(root.certificate)),
      crt: put('ca.crt', String(issuing.certificate)),
      key: put('ca.key', await keyPem(issuing.keys)),
      ...{ address: `127.0.0.1:${port}`, dnsNames: ['localhost'], logger: { format: 'json' } },
      db: { type: 'badgerv2', dataSource: join(folder, 'db') },
      authority: {
        backdate: '60s',
        provisioners: [
          {
            ...{ type: 'JWK', name: 'mosaic-fed', key: { ...publicKey, kid, use: 'sig', alg: 'ES256' } },
            claims: {
              minTLSCertDuration: '30s',
              defaultTLSCertDuration: '5m',
              maxTLSCertDuration: '15m',
              disableRenewal: true,
            },
            options: { x509: { templateFile: put('federation.tpl', TEMPLATE.replace('CRL_URL', `${url}/1.0/crl`)) } },
          },
        ],
      },
      crl: { enabled: true, generateOnRevoke: true, cacheDuration: '1h', renewPeriod: '20m', idpURL: `${url}/1.0/crl` },
      tls: { minVersion: 1.2, maxVersion: 1.3, renegotiation: false },
    }),
  )
  client = newClient()
  await start()
}, 600_000)
afterAll(async () => {
  client?.close()
  await stop()
  rmSync(folder, { recursive: true, force: true })
})

async function ask(by: CaClient = client, to: { grantId?: string; x5rt?: string } = {}) {
  const csr = await makeCsr()
  const x5rt = createHash('sha256').update(derInPem(csr, 'CERTIFICATE REQUEST')!).digest('base64url')
  return by.sign(csr, { commonName: PEER, grantId: GRANT, subjectUserId: SUBJECT, x5rt, ...to }, 300)
}

const list = async () =>
  readCrl(await client.list(`${url}/1.0/crl`), {
    ...{ issuer: issuing.certificate, distributionPoint: `${url}/1.0/crl`, now: Date.now() },
  })

test('it signs what the token says', async () => {
  const [leaf, ca, ...more] = await ask()
  expect([String(ca), more]).toEqual([String(issuing.certificate), []])
  const read = readLeaf(leaf!)!
  expect(read).toMatchObject({ commonNames: [PEER], names: [`dNSName:${PEER}`], isCa: false })
  expect(readUuid(read.extensions, OIDS.grant).value).toBe(GRANT)
  expect(readUuid(read.extensions, OIDS.subject).value).toBe(SUBJECT)
  expect(read.notAfter.getTime() - read.notBefore.getTime()).toBe(360_000)
})

test('it refuses another CSR, a token of no grant, and a client of another root gets nothing', async () => {
  await expect(ask(client, { x5rt: 'x'.repeat(43) })).rejects.toMatchObject({ code: 'CA_REFUSED' })
  await expect(ask(client, { grantId: '' })).rejects.toMatchObject({ code: 'CA_REFUSED' })
  const stranger = newClient({ rootPem: String((await liveRoot('root')).certificate) })
  expect(await stranger.isReady()).toBe(false)
  await expect(ask(stranger)).rejects.toMatchObject({ code: 'CA_UNREACHABLE' })
  stranger.close()
})

test('what is revoked stands in its list, at once, and twice is as good as once', async () => {
  const [leaf] = await ask()
  const { serial } = readLeaf(leaf!)!
  const before = await list()
  expect(before.serials.has(serial)).toBe(false)
  await client.revoke(serial, 'the grant is revoked')
  await client.revoke(serial, 'the grant is revoked')
  const after = await list()
  expect(after.serials.has(serial)).toBe(true)
  expect(after.number > before.number).toBe(true)
})

test('one that was started anew refuses what is older, and signs with the token that comes after', async () => {
  await stop()
  await start()
  // The clock of whoever mints the first one is behind the start of the CA, and right by the second.
  const ticks = [Date.now() - 10_000]
  const behind = newClient({ now: () => ticks.shift() ?? Date.now() })
  expect((await ask(behind))[0]).toBeDefined()
  const always = newClient({ now: () => Date.now() - 60_000 })
  await expect(ask(always)).rejects.toMatchObject({ code: 'CA_REFUSED' })
  behind.close()
  always.close()
})

test('one that is down is not ready, and says so', async () => {
  await stop()
  const fresh = newClient()
  expect(await fresh.isReady()).toBe(false)
  await expect(ask(fresh)).rejects.toMatchObject({
    code: 'CA_UNREACHABLE',
    remedy: expect.stringContaining('STEP_CA_URL'),
  })
  await start()
  expect((await ask(fresh))[0]).toBeDefined()
  fresh.close()
})
