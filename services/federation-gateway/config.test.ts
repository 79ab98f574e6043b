import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, expect, test } from 'vitest'
import {
  addConfigurationOptions,
  configurationKeys,
  loadConfiguration,
  redactedConfiguration,
} from '../shared/configuration.ts'
import { configurationJsonSchema, nodeName, program } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'gateway-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const least = { publicName: 'gateway-b.example', tls: { cert: 'c', key: 'k' }, decisionLog: 'd' }
const federated = {
  ...{ ...least, tier: 'federated' },
  stepCa: { url: 'https://ca.example:9000', rootCertPath: 'r', provisionerKeyFile: 'p' },
  ...{ sealing: { secretFile: 's' }, crl: { rootCrlFile: 'l' } },
}

function load(content: object, environment: Record<string, string> = {}) {
  const file = join(folder, 'gateway.json')
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 })
  return loadConfiguration(program, { file, environment })
}
const messageOf = (content: object, environment?: Record<string, string>): string => {
  try {
    load(content, environment)
  } catch (failure) {
    return (failure as Error).message
  }
  return 'it was taken'
}

test('the least that is needed is filled up with what the contract says', () => {
  const all = load(least)
  expect(all).toMatchObject({
    ...{ tier: 'local', dataDir: './data', unit: 'gateway' },
    listeners: { public: '0.0.0.0:8443', federation: '0.0.0.0:8444' },
    oids: { grant: '1.3.6.1.4.1.99999.1', subject: '1.3.6.1.4.1.99999.2' },
    ...{ leaf: { seconds: 300, capSeconds: 900 }, renewal: { overlapSeconds: 60 }, outbound: { deadlineMs: 5_000 } },
    ...{ cache: { seconds: 30, bytes: 67_108_864 }, breaker: { failures: 5, coolDownSeconds: 30 } },
    ...{ audit: { queue: 10_000, archiveAfterDays: 90 }, crl: { refreshSeconds: 30 } },
    rateLimit: {
      perGrant: 60,
      perLeaf: 6_000,
      enrolmentsPerAddress: 10,
      enrolments: 600,
      authenticationsPerAddress: 20,
    },
    stepCa: { provisionerName: 'mosaic-fed' },
  })
  expect(nodeName(all)).toBe('gateway-b')
  expect(load(federated).tier).toBe('federated')
})

test('variables have the names that others know them by, win over the file, and are not there where they are blank', () => {
  const environment = {
    ...{
      STEP_CA_URL: 'https://other.example',
      STEP_CA_ROOT_FINGERPRINT: 'AB'.repeat(32),
      STEP_CA_PROVISIONER_NAME: ' ',
    },
    ...{ BETTER_AUTH_SECRET_PREVIOUS: 'one two', BETTER_AUTH_URL: 'https://b.example', GATEWAY_TIER: 'federated' },
    ...{ DATABASE_URL: 'postgres://x', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', GATEWAY_NODE: '' },
  }
  expect(load(federated, environment)).toMatchObject({
    stepCa: { url: 'https://other.example', rootFingerprint: 'ab'.repeat(32), provisionerName: 'mosaic-fed' },
    sealing: { secretFile: 's', previous: 'one two' },
    ...{ publicUrl: 'https://b.example', databaseUrl: 'postgres://x', otlpEndpoint: 'http://localhost:4318' },
  })
})

test.each<[what: string, content: object, message: RegExp]>([
  ['an unknown member', { ...least, skipAuth: true }, /skipAuth/],
  ['an unknown tier', { ...least, tier: 'global' }, /tier/],
  ['a tier without its database', { ...least, tier: 'standalone' }, /databaseUrl: is missing/],
  ['a local one with a database', { ...least, databaseUrl: 'postgres://x' }, /not used in tier local/],
  [
    'a federated one without its CA',
    { ...federated, stepCa: {} },
    /stepCa\.url: is missing.*stepCa\.rootCertPath: is missing.*provisionerKeyFile: is missing/,
  ],
  ['a federated one without what seals', { ...federated, sealing: {} }, /sealing\.secretFile: is missing/],
  ['a federated one without the CRL of the root', { ...federated, crl: {} }, /crl\.rootCrlFile: is missing/],
  ['a name that no certificate has', { ...least, publicName: 'Gateway' }, /publicName/],
  [
    'leaves above their cap',
    { ...least, leaf: { seconds: 901 } },
    /leaf\.seconds: must be at most leaf\.capSeconds, 900/,
  ],
  ['one OID for two', { ...least, oids: { grant: '1.3.6.1.4.1.99999.2' } }, /another OID/],
  ['enrolment by plain http', { ...least, publicUrl: 'http://b.example' }, /publicUrl/],
  ['a list by plain http', { ...least, crl: { url: 'http://b.example/crl' } }, /crl\.url/],
  ['an own address that is a name', { ...least, outbound: { localAddress: 'b.example' } }, /localAddress.*IP address/],
  ['a collector that is none', { ...least, otlpEndpoint: 'grpc://collector.example' }, /otlpEndpoint/],
  ['a collector with a password', { ...least, otlpEndpoint: 'http://a:b@collector.example' }, /otlpEndpoint.*no user/],
  ['a pin that is none', { ...least, stepCa: { rootFingerprint: 'abc' } }, /rootFingerprint/],
  ['more for one grant than any may have', { ...least, rateLimit: { perGrant: 6_001 } }, /perGrant/],
])('%s is refused', (_, content, message) => {
  expect(messageOf(content)).toMatch(message)
})

test('an unknown variable is refused, and one that asks to skip a check is not heard', () => {
  expect(messageOf(least, { GATEWAY_TEIR: 'local' })).toContain('GATEWAY_TEIR')
  expect(
    load(least, { GATEWAY_SKIP_AUTH: '1', GATEWAY_CRL_INSECURE: 'true', NODE_TLS_REJECT_UNAUTHORIZED: '0' }),
  ).toEqual(load(least))
})

test('no secret has a flag, and none is printed', () => {
  const flags = addConfigurationOptions(new Command(), program).options.map(({ long }) => long)
  expect(flags).toContain('--sealing-secret-file')
  for (const secret of ['--sealing-secret', '--sealing-previous', '--database-url', '--step-ca-provisioner-key-json'])
    expect(flags).not.toContain(secret)
  const all = load({
    ...federated,
    databaseUrl: 'postgres://x',
    sealing: { secret: 'sss' },
    stepCa: { ...federated.stepCa, provisionerKeyJson: '{}' },
  })
  expect(JSON.stringify(redactedConfiguration(program, all))).not.toMatch(/postgres|sss|"\{\}"/)
  expect(configurationKeys(program).map(({ variable }) => variable)).toContain('BETTER_AUTH_SECRET_FILE')
})

test('what may stand in the file is published as JSON Schema, and is closed', () => {
  const schema = configurationJsonSchema() as {
    properties: Record<string, { additionalProperties?: boolean }>
    additionalProperties: boolean
    required: string[]
  }
  expect([schema.additionalProperties, schema.properties.stepCa?.additionalProperties]).toEqual([false, false])
  expect(schema.required.toSorted()).toEqual(['decisionLog', 'publicName', 'tls'])
})
