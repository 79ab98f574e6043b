import { z } from 'zod'
import type { Authority } from '../../credentials/certificate/planned.ts'
import { durationPattern, durationSeconds } from '../../topology/duration.ts'
import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import { nearest } from '../../topology/mistakes.ts'
import type { Given, Step } from '../../topology/plan.ts'
import { name, port, text } from '../../topology/schema.ts'
import { givenFile } from '../given-file.ts'
import { stepCommand } from '../step-command.ts'

const file = z.string().min(1)
const duration = text(durationPattern, 'must be a duration such as 10s, 10m or 24h')

const settings = z
  .strictObject({
    minimumLifetime: duration.default('10s').describe('Shortest life of a certificate.'),
    maximumLifetime: duration.default('24h').describe('Longest life of a certificate.'),
    defaultLifetime: duration.default('10m').describe('Life of a certificate whose request names none.'),
    port: port.default(9000).describe('Port of its API.'),
    root: z
      .strictObject({ cert: file, key: file.optional(), password: file.optional() })
      .optional()
      .describe(
        'Your own root: files of PEM. With `key`, an intermediate is signed for each run. Default: one that is made anew for each run.',
      ),
    intermediate: z
      .strictObject({ cert: file, key: file, password: file.optional() })
      .optional()
      .describe(
        'Your own intermediate, which signs: `cert` holds it, then those between it and `root`. `password`: file with that of the key.',
      ),
    certificates: z
      .record(name, z.strictObject({ cert: file, key: file }))
      .default({})
      .describe(
        'Certificates that you have, by the name of their credential: files of PEM, `cert` with its chain, `key` not encrypted. Nobody signs another like one of these. With all of them here, `root` needs no key.',
      ),
    url: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .optional()
      .describe('A step-ca that is up already, below `root`. It is asked for certificates, and its key is not ours.'),
    provisioner: z
      .strictObject({ name: z.string().min(1), key: file.optional(), password: file.optional() })
      .refine(({ key, password }) => key !== undefined || password !== undefined, 'must have a key or a password')
      .optional()
      .describe(
        'With `url`: its JWK provisioner. `key`: file with its private JWK, encrypted or not; default: the CA is asked for it. `password`: file with that of the key.',
      ),
  })
  .refine(
    (all) =>
      all.url !== undefined ||
      all.root?.key !== undefined ||
      !all.root === !all.intermediate ||
      Object.keys(all.certificates).length > 0,
    {
      path: ['root'],
      error:
        'must have its key, or an intermediate with one, or certificates that it signed: { "cert": "root.pem", "key": "root.key" }',
    },
  )
  .refine(({ root, certificates }) => root !== undefined || Object.keys(certificates).length === 0, {
    path: ['certificates'],
    error: 'goes with root, which signed them: { "cert": "root.pem" }',
  })
  .refine(({ url, provisioner }) => (url === undefined) === (provisioner === undefined), {
    path: ['provisioner'],
    error: 'goes with url, and url with provisioner: { "name": "…", "password": "FILE" }',
  })
  .refine(({ url, root, intermediate }) => url === undefined || (root && !root.key && !intermediate), {
    path: ['url'],
    error: 'goes with root, { "cert": "root.pem" }: who is up has the keys and the intermediate',
  })
  .describe(
    'A step-ca with one JWK provisioner of its own: with a root and an intermediate of its own or with yours; or one that is up at a URL.',
  )

type Settings = z.infer<typeof settings>
type Unit = UnitContext<Settings>
type Pair = { cert: string; key?: string | undefined; password?: string | undefined }

const PROVISIONER = 'holdfast'

/** Whether it signs nothing here: what it signed before is all that there is. */
function isGiven({ root, intermediate, url }: Settings): boolean {
  return root !== undefined && root.key === undefined && intermediate === undefined && url === undefined
}

/** A real step-ca. Root, intermediate and provisioner key are made anew for each run, unless the user has his own. */
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
  return {
    summary: `certificate authority of ${unit.domain}, at ${address(unit)}`,
    files: [],
    steps: [{ parallel: [certificates(unit), [provisionerKey]] }, { write: configuration(unit) }],
    service: {
      command: {
        program: { tool: 'step-ca' },
        args: ['@{unit}/ca.json', ...password],
        env: { STEPPATH: '@{unit}/step' },
      },
      ready: { http: { url: `${address(unit)}/health`, tls: { ca: root.cert }, expect: [200] } },
      listeners: [{ name: 'ca', port: unit.settings.port, protocol: 'https', clientCertificate: 'requested' }],
    },
    insider: { signs: { issuing, root } },
    given: given(unit),
  }
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
  const { root, intermediate } = settings
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
  const folder = `@{dir}/units/${unit.unit}`
  const { root, url, provisioner } = unit.settings
  const at = (path: string | undefined) => (path === undefined ? undefined : unit.resolve(path))
  const passwordFile = at(provisioner?.password)
  return {
    root: at(root?.cert) ?? `${folder}/root.crt`,
    url: url === undefined ? address(unit) : withoutEnd(url),
    by: 'holder',
    given: givenIdentities(unit),
    provisioners: isGiven(unit.settings)
      ? {}
      : provisioner === undefined
        ? { [PROVISIONER]: { keyFile: `${folder}/provisioner.json` } }
        : { [provisioner.name]: { keyFile: at(provisioner.key) ?? `${folder}/provisioners.json`, passwordFile } },
    minimumLifetime: durationSeconds(unit.settings.minimumLifetime),
    maximumLifetime: durationSeconds(unit.settings.maximumLifetime),
  }
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
