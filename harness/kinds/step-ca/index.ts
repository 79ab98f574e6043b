import { z } from 'zod'
import type { Authority } from '../../credentials/certificate/planned.ts'
import { durationPattern, durationSeconds } from '../../topology/duration.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Step } from '../../topology/plan.ts'
import { port, text } from '../../topology/schema.ts'
import { stepCommand } from '../step-command.ts'

const duration = text(durationPattern, 'must be a duration such as 10s, 10m or 24h')

const settings = z
  .strictObject({
    minimumLifetime: duration.default('10s').describe('Shortest life of a certificate.'),
    maximumLifetime: duration.default('24h').describe('Longest life of a certificate.'),
    defaultLifetime: duration.default('10m').describe('Life of a certificate whose request names none.'),
    port: port.default(9000).describe('Port of its API.'),
  })
  .describe('A step-ca with a root, an intermediate and one JWK provisioner of its own.')

type Unit = UnitContext<z.infer<typeof settings>>

const PROVISIONER = 'holdfast'

/** A real step-ca: root, intermediate and provisioner key are made anew for each run. */
export const stepCa = defineKind({
  name: 'step-ca',
  summary: 'certificate authority (smallstep step-ca) with one JWK provisioner',
  settings,
  plan,
  offers: { certificate: authority },
})

function plan(unit: Unit): KindPlan {
  const { defaultLifetime, maximumLifetime, minimumLifetime } = unit.settings
  const asked = durationSeconds(defaultLifetime)
  if (asked < durationSeconds(minimumLifetime) || asked > durationSeconds(maximumLifetime)) {
    const range = `${minimumLifetime} and ${maximumLifetime}`
    unit.mistake('settings.defaultLifetime', `is ${defaultLifetime} and must lie between ${range}`)
  }
  const pairOf = (name: string) => ({ cert: `@{unit}/${name}.crt`, key: `@{unit}/${name}.key` })
  return {
    summary: `certificate authority of ${unit.domain}, at ${address(unit)}`,
    files: [],
    steps: [{ parallel: [certificates(unit), [provisionerKey]] }, { write: configuration(unit) }],
    service: {
      command: { program: { tool: 'step-ca' }, args: ['@{unit}/ca.json'], env: { STEPPATH: '@{unit}/step' } },
      ready: { http: { url: `${address(unit)}/health`, tls: { ca: '@{unit}/root.crt' }, expect: [200] } },
      listeners: [{ name: 'ca', port: unit.settings.port, protocol: 'https', clientCertificate: 'requested' }],
    },
    insider: { signs: { issuing: pairOf('ca'), root: pairOf('root') } },
  }
}

function authority(unit: Unit): Authority {
  const folder = `@{dir}/units/${unit.unit}`
  return {
    root: `${folder}/root.crt`,
    url: address(unit),
    by: 'holder',
    provisioners: { [PROVISIONER]: { keyFile: `${folder}/provisioner.json` } },
    minimumLifetime: durationSeconds(unit.settings.minimumLifetime),
    maximumLifetime: durationSeconds(unit.settings.maximumLifetime),
  }
}

function address(unit: Unit): string {
  return `https://${unit.host}:${unit.settings.port}`
}

/** `step ca init` waits for a second inside; these two steps do the same work without it. */
function certificates(unit: Unit): Step[] {
  const create = (name: string, file: string, ...profile: string[]): Step => {
    const what = [`${unit.domain} ${name}`, `@{unit}/${file}.crt`, `@{unit}/${file}.key`, '--profile', ...profile]
    return {
      run: stepCommand(['certificate', 'create', ...what, '--no-password', '--insecure', '--not-after', '87600h']),
    }
  }
  const signer = ['--ca', '@{unit}/root.crt', '--ca-key', '@{unit}/root.key']
  return [create('root', 'root', 'root-ca'), create('issuing CA', 'ca', 'intermediate-ca', ...signer)]
}

const provisionerKey: Step = {
  run: stepCommand([
    ...['crypto', 'jwk', 'create', '@{unit}/provisioner.pub.json', '@{unit}/provisioner.json', '--kty', 'EC'],
    ...['--crv', 'P-256', '--use', 'sig', '--alg', 'ES256', '--no-password', '--insecure'],
  ]),
}

function configuration({ settings, host, domain }: Unit) {
  const json = {
    root: '@{unit}/root.crt',
    crt: '@{unit}/ca.crt',
    key: '@{unit}/ca.key',
    address: `@{address}:${settings.port}`,
    dnsNames: [host],
    logger: { format: 'json' },
    // Without a database the CA forgets which one-time tokens were used.
    db: { type: 'badgerv2', dataSource: '@{unit}/db' },
    authority: {
      // One clock for all nodes of a run: certificates live exactly as long as they were asked for.
      backdate: '0s',
      claims: {
        minTLSCertDuration: goDuration(settings.minimumLifetime),
        maxTLSCertDuration: goDuration(settings.maximumLifetime),
        defaultTLSCertDuration: goDuration(settings.defaultLifetime),
      },
      provisioners: [{ type: 'JWK', name: PROVISIONER, key: '@{json:provisioner.pub.json}' }],
    },
    tls: { minVersion: 1.2, maxVersion: 1.3, renegotiation: false },
    commonName: `${domain} CA`,
  }
  return { path: '@{unit}/ca.json', json }
}

/** Go knows no days. */
function goDuration(text: string): string {
  return `${durationSeconds(text)}s`
}
