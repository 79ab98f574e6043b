import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { freePort } from '../../shared/testing/service-process.ts'
import { toolPaths } from '../../shared/testing/tools.ts'
import { type CaClient, type CaClientOptions, createCaClient } from '../enrolment/ca-client.ts'
import { type ProvisionerKey, readProvisionerKey } from '../enrolment/provisioner-key.ts'
import { OIDS, type TestCa } from './certificates.ts'
import { keyPem, liveRoot, liveSub } from './live.ts'
import { makeProvisionerJwk } from './provisioner.ts'

// Not shipped: the real step-ca.

export interface StepCa extends AsyncDisposable {
  readonly url: string
  readonly root: TestCa
  readonly issuing: TestCa
  /** Of its provisioner `mosaic-fed`. */
  readonly key: ProvisionerKey
  start(): Promise<void>
  stop(): Promise<void>
  /** As a machine that hangs, and goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** Whoever asks for one closes it. */
  client(changes?: Partial<CaClientOptions>): CaClient
  /** How many certificates it has issued, by its own log. */
  issued(): number
}

const PROVISIONER = 'mosaic-fed'
const TEMPLATE = `{{- if or (not .Token.mosaic_grant_id) (not .Token.mosaic_subject_user_id) }}{{ fail "grant and subject are required" }}{{ end -}}
{ "subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["clientAuth"],
  "basicConstraints": {"isCA": false}, "crlDistributionPoints": ["CRL_URL"],
  "extensions": [ {"id": "${OIDS.grant}", "critical": false, "value": {{ asn1Marshal .Token.mosaic_grant_id "utf8" | toJson }}},
                  {"id": "${OIDS.subject}", "critical": false, "value": {{ asn1Marshal .Token.mosaic_subject_user_id "utf8" | toJson }}} ] }
`

/** A running one, with a root and an intermediate of its own. */
export async function stepCa(): Promise<StepCa> {
  const program = toolPaths('step-ca')['step-ca']
  const folder = await mkdtemp(join(tmpdir(), 'gateway-step-ca-'))
  const root = await liveRoot('root')
  const issuing = await liveSub(root, 'issuing')
  const jwk = await makeProvisionerJwk()
  const key = await readProvisionerKey(JSON.stringify(jwk))
  const port = await freePort()
  const url = `https://localhost:${port}`
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  mkdirSync(join(folder, 'db'))
  const { d: _, ...publicKey } = jwk
  const claims = { minTLSCertDuration: '30s', defaultTLSCertDuration: '5m', maxTLSCertDuration: '15m' }
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
            ...{ type: 'JWK', name: PROVISIONER, key: { ...publicKey, use: 'sig', alg: 'ES256' } },
            claims: { ...claims, disableRenewal: true },
            options: { x509: { templateFile: put('federation.tpl', TEMPLATE.replace('CRL_URL', `${url}/1.0/crl`)) } },
          },
        ],
      },
      crl: { enabled: true, generateOnRevoke: true, cacheDuration: '1h', renewPeriod: '20m', idpURL: `${url}/1.0/crl` },
      tls: { minVersion: 1.2, maxVersion: 1.3, renegotiation: false },
    }),
  )
  const log = put('log', '')
  const client = (changes: Partial<CaClientOptions> = {}) => {
    const rootFingerprint = createHash('sha256').update(root.certificate.raw).digest('hex')
    const signer = { caUrl: url, provisioner: PROVISIONER, key, rootFingerprint }
    return createCaClient({ signer, rootPem: String(root.certificate), ...changes })
  }
  let running: ChildProcess | undefined
  const ca: StepCa = {
    ...{ url, root, issuing, key, client },
    async start() {
      const to = openSync(log, 'a')
      running = spawn(program, [join(folder, 'ca.json')], { stdio: ['ignore', to, to] })
      closeSync(to)
      const asking = client()
      await vi.waitFor(async () => expect(await asking.isReady()).toBe(true), { timeout: 20_000, interval: 50 })
      asking.close()
    },
    async stop() {
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
      running.kill('SIGCONT')
      running.kill('SIGTERM')
      await once(running, 'exit')
    },
    signal: (signal) => void running?.kill(signal),
    issued: () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { path?: string; status?: number })
        .filter(({ path, status }) => path === '/1.0/sign' && status === 201).length,
    async [Symbol.asyncDispose]() {
      await ca.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
  await ca.start()
  return ca
}
