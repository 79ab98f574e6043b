import type { Authority } from '../../credentials/certificate/planned.ts'
import type { ProvisionerKeys } from '../../credentials/jwk/planned.ts'
import { durationSeconds } from '../../topology/duration.ts'
import type { Insider } from '../../topology/insider.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import { nearest } from '../../topology/mistakes.ts'
import type { Given, Step } from '../../topology/plan.ts'
import { givenFile } from '../given-file.ts'
import { stepCommand } from '../step-command.ts'
import {
  crlOf,
  demandProvisioners,
  initSteps,
  keysOf,
  madeSigners,
  provisionersOf,
  templatesOf,
} from './provisioners.ts'
import { goDuration, type Settings, settings } from './settings.ts'

type Unit = UnitContext<Settings>
type Pair = { cert: string; key?: string | undefined; password?: string | undefined }

const PROVISIONER = 'holdfast'
const LISTENER = 'ca'

/** Whether it signs nothing here: what it signed before is all that there is. */
function isGiven({ root, intermediate, url }: Settings): boolean {
  return root !== undefined && root.key === undefined && intermediate === undefined && url === undefined
}

/** A real step-ca. Root, intermediate and provisioner key are made anew for each run, unless the user has his own. */
export const stepCa = defineKind({
  name: 'step-ca',
  summary: 'certificate authority (smallstep step-ca) with JWK provisioners',
  settings,
  plan,
  offers: { certificate: authority, jwk: provisionerKeys },
})

function plan(unit: Unit): KindPlan {
  const { defaultLifetime, maximumLifetime, minimumLifetime } = unit.settings
  const asked = durationSeconds(defaultLifetime)
  if (asked < durationSeconds(minimumLifetime) || asked > durationSeconds(maximumLifetime)) {
    const range = `${minimumLifetime} and ${maximumLifetime}`
    unit.mistake('settings.defaultLifetime', `is ${defaultLifetime} and must lie between ${range}`)
  }
  demandProvisioners(unit)
  for (const one of Object.keys(unit.settings.certificates)) {
    if (Object.hasOwn(unit.topology.credentials, one)) continue
    const meant = nearest(one, Object.keys(unit.topology.credentials))
    unit.mistake(
      `settings.certificates.${one}`,
      `is no credential${meant ? `; did you mean "${meant}"?` : ' that is declared'}`,
    )
  }
  if (isGiven(unit.settings)) {
    const summary = `root of ${unit.domain}, below which the certificates are that you have`
    return { summary, files: [], insider: { foreign: true }, given: given(unit) }
  }
  return unit.settings.url === undefined ? started(unit) : upAlready(unit, unit.settings.url)
}

function started(unit: Unit): KindPlan {
  const { root, issuing } = signersOf(unit)
  const password = issuing.password === undefined ? [] : ['--password-file', issuing.password]
  const made: Step[] =
    unit.settings.provisioners === undefined
      ? [{ parallel: [certificates(unit), [provisionerKey]] }]
      : initSteps(unit.domain, Object.keys(unit.settings.provisioners))
  return {
    summary: `certificate authority of ${unit.domain}, at ${address(unit)}`,
    files: templatesOf(unit, address(unit)),
    steps: [...made, { write: configuration(unit) }],
    service: {
      command: {
        program: { tool: 'step-ca' },
        args: ['@{unit}/ca.json', ...password],
        env: { STEPPATH: '@{unit}/step' },
      },
      ready: { http: { url: `${address(unit)}/health`, tls: { ca: root.cert }, expect: [200] } },
      listeners: [{ name: LISTENER, port: unit.settings.port, protocol: 'https', clientCertificate: 'requested' }],
    },
    insider: { signs: { issuing, root }, ...revocationOf(unit) },
    given: given(unit),
  }
}

function revocationOf(unit: Unit): Pick<Insider, 'revokes'> {
  if (!unit.settings.crl?.enabled) return {}
  const authority = `${folderOf(unit)}/authority`
  const files = { issuing: `${authority}/ca.crt`, rootCrl: `${authority}/root.crl` }
  return { revokes: { unit: unit.unit, listener: LISTENER, ...files } }
}

/** It is only asked: what it tells of its provisioners is read, and with that it is there, and below the root. */
function upAlready(unit: Unit, url: string): KindPlan {
  const ca = unit.resolve(unit.settings.root!.cert)
  const to = { path: '@{unit}/provisioners.json', mode: '0600' }
  return {
    summary: `certificate authority of ${unit.domain}, up at ${url}`,
    files: [],
    steps: [{ fetch: { url: `${withoutEnd(url)}/provisioners?limit=100`, ca, to } }],
    insider: { foreign: true },
    given: given(unit),
  }
}

/** Certificates and keys where they lie: the user's are not copied. */
function signersOf({ settings, resolve }: Unit) {
  const made = (name: string) => ({ cert: `@{unit}/${name}.crt`, key: `@{unit}/${name}.key`, password: undefined })
  const own = <Key extends string | undefined>({ cert, key, password }: Pair & { key: Key }) => ({
    cert: resolve(cert),
    key: (key && resolve(key)) as Key,
    password: password && resolve(password),
  })
  const { root, intermediate, provisioners } = settings
  if (provisioners !== undefined) return madeSigners
  return {
    root: root === undefined ? made('root') : own({ key: undefined, ...root }),
    issuing: intermediate === undefined ? made('ca') : own(intermediate),
  }
}

/** The user's files, each with the setting that names it. */
function given(unit: Unit): Given | undefined {
  const { root, intermediate, provisioner } = unit.settings
  if (root === undefined) return undefined
  const file = (setting: string, path: string) => givenFile(unit, setting, unit.resolve(path))
  const maybe = (setting: string, path: string | undefined) => (path === undefined ? undefined : file(setting, path))
  const secrets = (of: string, { key, password }: Partial<Pair>) => ({
    key: maybe(`${of}.key`, key),
    password: maybe(`${of}.password`, password),
  })
  const cert = file('root.cert', root.cert)
  if (provisioner !== undefined) {
    return { roots: cert, provisioner: { name: provisioner.name, ...secrets('provisioner', provisioner) } }
  }
  const below = intermediate && {
    ...secrets('intermediate', intermediate),
    cert: file('intermediate.cert', intermediate.cert),
    key: file('intermediate.key', intermediate.key),
  }
  return { authority: { root: { ...secrets('root', root), cert }, intermediate: below } }
}

function authority(unit: Unit): Authority {
  const { root, url, provisioners, minimumLifetime, maximumLifetime } = unit.settings
  const made = folderOf(unit) + (provisioners === undefined ? '/root.crt' : '/authority/root.crt')
  return {
    root: root === undefined ? made : unit.resolve(root.cert),
    url: url === undefined ? address(unit) : withoutEnd(url),
    by: 'holder',
    given: givenIdentities(unit),
    provisioners: keys(unit),
    minimumLifetime: durationSeconds(minimumLifetime),
    maximumLifetime: durationSeconds(maximumLifetime),
  }
}

function provisionerKeys(unit: Unit): ProvisionerKeys {
  return { keys: keys(unit) }
}

/** What signs one-time tokens, by the name of the provisioner, and what that is allowed to. */
function keys(unit: Unit): Authority['provisioners'] {
  const { provisioner, provisioners } = unit.settings
  const folder = folderOf(unit)
  if (isGiven(unit.settings)) return {}
  if (provisioners !== undefined) return keysOf(unit.settings, provisioners, folder)
  if (provisioner === undefined) return { [PROVISIONER]: { keyFile: `${folder}/provisioner.json` } }
  const at = (path: string | undefined) => (path === undefined ? undefined : unit.resolve(path))
  const passwordFile = at(provisioner.password)
  return { [provisioner.name]: { keyFile: at(provisioner.key) ?? `${folder}/provisioners.json`, passwordFile } }
}

/** Of the unit, for whoever reads it elsewhere on the node. */
function folderOf({ unit }: Unit): string {
  return `@{dir}/units/${unit}`
}

function givenIdentities(unit: Unit): Authority['given'] {
  const of = (name: string, member: 'cert' | 'key', path: string) =>
    givenFile(unit, `certificates.${name}.${member}`, unit.resolve(path))
  return Object.fromEntries(
    Object.entries(unit.settings.certificates).map(([name, { cert, key }]) => {
      return [name, { cert: of(name, 'cert', cert), key: of(name, 'key', key) }]
    }),
  )
}

function address(unit: Unit): string {
  return `https://${unit.host}:${unit.settings.port}`
}

function withoutEnd(url: string): string {
  return url.replace(/\/+$/, '')
}

/**
 * `step ca init` waits for a second inside; these two steps do the same work without it. Below a root that goes on after the run, an
 * intermediate lives for a week: what is left of a run must not sign for years.
 */
function certificates(unit: Unit): Step[] {
  const { root, intermediate } = unit.settings
  const create = (name: string, file: string, ...profile: string[]): Step => {
    const what = [`${unit.domain} ${name}`, `@{unit}/${file}.crt`, `@{unit}/${file}.key`, '--profile', ...profile]
    const life = root === undefined ? '87600h' : '168h'
    return { run: stepCommand(['certificate', 'create', ...what, '--no-password', '--insecure', '--not-after', life]) }
  }
  const { cert, key, password } = signersOf(unit).root
  const signer = ['--ca', cert, '--ca-key', key!, ...(password === undefined ? [] : ['--ca-password-file', password])]
  return [
    ...(root === undefined ? [create('root', 'root', 'root-ca')] : []),
    ...(intermediate === undefined ? [create('issuing CA', 'ca', 'intermediate-ca', ...signer)] : []),
  ]
}

const provisionerKey: Step = {
  run: stepCommand([
    ...['crypto', 'jwk', 'create', '@{unit}/provisioner.pub.json', '@{unit}/provisioner.json', '--kty', 'EC'],
    ...['--crv', 'P-256', '--use', 'sig', '--alg', 'ES256', '--no-password', '--insecure'],
  ]),
}

function configuration(unit: Unit) {
  const { settings, host, domain } = unit
  const { root, issuing } = signersOf(unit)
  const json = {
    root: root.cert,
    crt: issuing.cert,
    key: issuing.key,
    address: `@{address}:${settings.port}`,
    dnsNames: [host],
    logger: { format: 'json' },
    // Without a database the CA forgets which one-time tokens were used.
    db: { type: 'badgerv2', dataSource: '@{unit}/db' },
    authority: {
      // By default one clock for all nodes of a run: certificates live exactly as long as they were asked for.
      backdate: settings.backdate === undefined ? '0s' : goDuration(settings.backdate),
      claims: {
        minTLSCertDuration: goDuration(settings.minimumLifetime),
        maxTLSCertDuration: goDuration(settings.maximumLifetime),
        defaultTLSCertDuration: goDuration(settings.defaultLifetime),
      },
      provisioners:
        settings.provisioners === undefined
          ? [{ type: 'JWK', name: PROVISIONER, key: '@{json:provisioner.pub.json}' }]
          : provisionersOf(settings.provisioners),
    },
    ...crlOf(settings, address(unit)),
    tls: { minVersion: 1.2, maxVersion: 1.3, renegotiation: false },
    commonName: `${domain} CA`,
  }
  return { path: '@{unit}/ca.json', json }
}
