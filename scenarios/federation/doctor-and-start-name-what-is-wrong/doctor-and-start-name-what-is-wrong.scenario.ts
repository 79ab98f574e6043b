import { expect, issueLeaf, putFile, rogueAuthority, runOn, scenario } from 'holdfast/vitest'
import { gatewayCommand } from '../commands.ts'
import { type Federation, federation, places, requestFor } from '../federation.ts'

/** What asks for checks to be skipped, here or elsewhere. */
const switches = { CATALYST_SKIP_AUTH: 'true', GATEWAY_INSECURE: '1', NODE_TLS_REJECT_UNAUTHORIZED: '0' }
const test = scenario('federation', { own: true, env: { 'gateway-b/gateway': switches } }).extend(
  'federation',
  federation,
)

interface Json {
  [member: string]: unknown
  stepCa: Record<string, unknown>
  tls: Record<string, unknown>
  sealing: Record<string, unknown>
  crl: Record<string, unknown>
}

const boundMs = 10_000

/** The configuration of the lender with something else about it, in a file of its own. */
async function changed({ site }: Federation, change: (json: Json) => void | Promise<void>): Promise<string> {
  const json = JSON.parse(await site.node('gateway-b').readFile(places.configuration)) as Json
  await change(json)
  const path = `given/${crypto.randomUUID()}.json`
  await putFile(site, 'gateway-b', path, JSON.stringify(json))
  return path
}

async function run(federation: Federation, config: string, ...words: string[]) {
  const began = performance.now()
  const ran = await gatewayCommand(federation, 'b', words, { config })
  return { ...ran, ms: performance.now() - began }
}

interface Report {
  readonly tier: string
  readonly ok: boolean
  readonly checks: readonly { readonly id: string; readonly status: string; readonly remedy: string | null }[]
}

async function doctor(federation: Federation, config: string) {
  const { code, stdout } = await run(federation, config, 'doctor', '--json')
  const { tier, ok, checks } = JSON.parse(stdout) as Report
  const by = (wanted: string) => checks.filter(({ status }) => status === wanted)
  return { code, tier, ok, failed: by('fail'), skipped: by('skip').map(({ id }) => id) }
}

/** A file on the node of the lender. */
async function given({ site }: Federation, text: string): Promise<string> {
  const path = `given/${crypto.randomUUID()}`
  await putFile(site, 'gateway-b', path, text)
  return `${site.node('gateway-b').dir}/${path}`
}

/** What the doctor finds wrong, and what keeps the gateway from starting. */
type Fault = readonly [
  what: string,
  check: string,
  said: RegExp,
  change: (json: Json, federation: Federation) => void | Promise<void>,
]

/** A certificate of its CA that is over, with its key. */
async function endedCertificate(federation: Federation): Promise<{ cert: string; key: string }> {
  const { host: subject } = federation.site.node('gateway-b')
  const authority = await federation.site.authority('ca')
  const [notBefore, notAfter] = [7_200_000, 3_600_000].map((ago) => new Date(Date.now() - ago))
  const { certPem, keyPem } = await issueLeaf({ authority, subject, sans: [subject], notBefore, notAfter })
  return { cert: await given(federation, certPem), key: await given(federation, keyPem) }
}

const faults: readonly Fault[] = [
  [
    'a member that is not declared',
    'config.schema',
    /unknown|unrecognized|skipChecks/i,
    (json) => {
      json.skipChecks = true
    },
  ],
  [
    'a secret that others can read',
    'config.schema',
    /can be read by others/,
    async (json, federation) => {
      const file = await given(federation, crypto.randomUUID().repeat(2))
      await runOn(federation.site, 'gateway-b', 'chmod', '644', file)
      json.sealing.secretFile = file
    },
  ],
  [
    'federation without the list of the root',
    'tier.consistent',
    /crl\.rootCrlFile/,
    (json) => {
      delete json.crl.rootCrlFile
    },
  ],
  [
    'a secret that is too short',
    'secret.strength',
    /secret/,
    async (json, federation) => {
      json.sealing.secretFile = await given(federation, 'short')
    },
  ],
  [
    'a CA without TLS',
    'ca.https',
    /https/,
    (json) => {
      json.stepCa.url = 'http://ca.somebiz.local.io:9000'
    },
  ],
  [
    'a root that is not the one of the first start',
    'ca.pin',
    /root|pin/,
    async (json, federation) => {
      json.stepCa.rootCertPath = await given(federation, String((await rogueAuthority()).certificate))
    },
  ],
  [
    'a root that is not there',
    'ca.pin',
    /given\/none .*ENOENT/,
    (json) => {
      json.stepCa.rootCertPath = 'given/none'
    },
  ],
  [
    'a root with another one beside it',
    'ca.pin',
    /holds 2 certificates; give the root alone/,
    async (json, federation) => {
      const { anchorPem } = await federation.site.authority('ca')
      json.stepCa.rootCertPath = await given(federation, `${anchorPem}${(await rogueAuthority()).anchorPem}`)
    },
  ],
  [
    'a fingerprint of another root',
    'ca.pin',
    /root|pin|fingerprint/i,
    (json) => {
      json.stepCa.rootFingerprint = 'ab'.repeat(32)
    },
  ],
  [
    'a key of the provisioner that is none',
    'ca.provisioner',
    /provisioner|key/i,
    async (json, federation) => {
      json.stepCa.provisionerKeyFile = await given(federation, '{"kty":"oct","k":"c2VjcmV0"}')
    },
  ],
  [
    'a certificate that has ended',
    'tls.server-certificate',
    / ended 20/,
    async (json, federation) => {
      json.tls = await endedCertificate(federation)
    },
  ],
  [
    'no CA among those of clients',
    'tls.server-certificate',
    /holds no certificate/,
    async (json, federation) => {
      json.clientCa = await given(federation, String(json.publicName))
    },
  ],
  [
    'a name that its certificate does not have',
    'tls.server-certificate',
    /no DNS SAN for gateway-x/,
    (json) => {
      json.publicName = 'gateway-x.somebiz.local.io'
    },
  ],
  [
    'a key of another certificate',
    'tls.server-certificate',
    /key/,
    async (json, federation) => {
      json.tls.key = await given(federation, (await requestFor('any.example')).keyPem)
    },
  ],
  [
    'a key of its certificate that others can read',
    'tls.server-certificate',
    /the private key \S+ can be read by others; make it 0600/,
    async (json, federation) => {
      const path = await given(federation, '')
      await runOn(
        federation.site,
        'gateway-b',
        'sh',
        '-c',
        'cat "$0" > "$1" && chmod 0640 "$1"',
        json.tls.key as string,
        path,
      )
      json.tls.key = path
    },
  ],
]

const ofFederation = ['ca.https', 'ca.pin', 'ca.health', 'ca.provisioner', 'ca.clock', 'ca.crl']
const ofDatabase = ['postgres.connect', 'postgres.version', 'postgres.migrations', 'postgres.roles']

/** Programs where those of a PostgreSQL would be: no doctor starts them. */
async function ownPostgres({ site }: Federation): Promise<string> {
  const names = ['postgres', 'initdb'].map((name) => `given/bin/${name}`)
  for (const name of names) await putFile(site, 'gateway-b', name, '#!/bin/sh\nexit 1\n')
  await runOn(site, 'gateway-b', 'chmod', '755', ...names)
  return names[0]!
}

/** What each tier has of all that a gateway can stand on: what is left out is not looked at, and all else is well. */
const tiers: readonly (readonly [
  tier: string,
  change: (json: Json, federation: Federation) => void | Promise<void>,
  unseen: readonly string[],
])[] = [
  ['federated', () => {}, []],
  [
    'standalone',
    (json) => {
      json.tier = 'standalone'
      for (const key of ['sealing', 'stepCa', 'clientCa', 'crl']) delete json[key]
    },
    ofFederation,
  ],
  [
    'local',
    async (json, federation) => {
      json.tier = 'local'
      for (const key of ['sealing', 'stepCa', 'clientCa', 'crl', 'databaseUrlFile']) delete json[key]
      json.dataDir = 'given/data'
      json.postgres = await ownPostgres(federation)
    },
    // Its own PostgreSQL runs while the gateway does.
    [...ofDatabase, ...ofFederation],
  ],
]

test.for(tiers)(
  'of a gateway of tier %s that is well nothing failed',
  async ([tier, change, unseen], { federation }) => {
    const found = await doctor(federation, await changed(federation, (json) => change(json, federation)))
    expect(found).toMatchObject({ code: 0, tier, ok: true, failed: [] })
    expect(found.skipped.filter((id) => [...ofFederation, ...ofDatabase].includes(id))).toEqual(unseen)
  },
)

test('a gateway of tier local whose PostgreSQL is no program', async ({ federation }) => {
  const [, local] = tiers.find(([tier]) => tier === 'local')!
  const config = await changed(federation, async (json) => {
    await local(json, federation)
    json.postgres = 'given/bin/none'
  })
  const found = await doctor(federation, config)
  expect(found).toMatchObject({ code: 1, ok: false, failed: [{ id: 'postgres.connect' }] })
  expect(found.failed[0]!.remedy).toContain('name the program of a PostgreSQL')
  expect((await run(federation, config, 'start')).code).toBe(78)
})

/** The doctor names this check, with a way out, and such a gateway does not start. */
async function expectFound(federation: Federation, config: string, [, check, said]: readonly [string, string, RegExp]) {
  const found = await doctor(federation, config)
  expect(found).toMatchObject({ code: 1, ok: false })
  expect(found.failed.map(({ id }) => id)).toContain(check)
  for (const { remedy } of found.failed) expect(remedy).toMatch(/\w/)

  const started = await run(federation, config, 'start')
  expect(started.code).toBe(78)
  expect(started.ms).toBeLessThan(federation.site.bound(boundMs))
  expect(started.stderr.trim().split('\n')).toEqual([expect.stringMatching(said)])
}

test.for(faults)('%s: doctor fails %s, and there is no start', async (fault, { federation }) => {
  const [what, check, said, change] = fault
  await expectFound(federation, await changed(federation, (json) => change(json, federation)), [what, check, said])
})

/** What somebody has done to the database, and what takes it back. */
const stores: readonly (readonly [what: string, check: string, said: RegExp, done: string, undone: string])[] = [
  [
    'a migration that was not done',
    'postgres.migrations',
    /lacks 0006-audit; run gateway migrate/,
    `CREATE TEMP TABLE away AS SELECT * FROM migrations WHERE name = '0006-audit';
     DELETE FROM migrations WHERE name = '0006-audit'`,
    'INSERT INTO migrations SELECT * FROM away; DROP TABLE away',
  ],
  [
    'a migration that nobody knows',
    'postgres.migrations',
    /migration 9999-later .* is not known here/,
    `INSERT INTO migrations (name, checksum) VALUES ('9999-later', 'none')`,
    `DELETE FROM migrations WHERE name = '9999-later'`,
  ],
  [
    'a migration that was another one when it was done',
    'postgres.migrations',
    /was another one when it was done/,
    `UPDATE migrations SET checksum = checksum || '0'`,
    'UPDATE migrations SET checksum = left(checksum, -1)',
  ],
  [
    'a role that is not there',
    'postgres.roles',
    /role "gateway_app" does not exist.*run gateway migrate/,
    'ALTER ROLE gateway_app RENAME TO gateway_away',
    'ALTER ROLE gateway_away RENAME TO gateway_app',
  ],
  [
    'a right to change the audit',
    'postgres.append-only',
    /may change the audit log \(UPDATE federation_audit_log\)/,
    'GRANT UPDATE ON federation_audit_log TO gateway_app',
    'REVOKE UPDATE ON federation_audit_log FROM gateway_app',
  ],
]

test.for(stores)(
  '%s: doctor fails %s, and there is no start',
  async ([what, check, said, done, undone], { federation }) => {
    const config = await changed(federation, () => {})
    const database = await federation.database('b')
    await database.query(done)
    try {
      await expectFound(federation, config, [what, check, said])
    } finally {
      await database.query(undone)
    }
    expect((await doctor(federation, config)).failed).toEqual([])
  },
)

test('PEER-12: variables that ask to skip checks have no effect, and are named', async ({ federation, site }) => {
  const warned = site
    .node('gateway-b')
    .logs('gateway')
    .filter((line) => line.includes('variable-ignored'))
  for (const name of Object.keys(switches))
    expect(
      warned.some((line) => line.includes(name)),
      name,
    ).toBe(true)

  const nobody = await federation.connectAnonymously()
  const shutOut = await nobody.list('tasks')
  expect([shutOut.status, await federation.reason(shutOut)]).toEqual([null, 'cert_missing'])
  const admin = await federation.asAdmin('b')
  const bare = await admin.bare({ method: 'GET', path: '/api/admin/federation/grants' })
  expect([bare.status, await federation.reason(bare)]).toEqual([401, 'bearer_missing'])
  expect((await (await federation.asPeer('scope-a')).list('tasks')).status).toBe(200)
})

test('without its CA or its database doctor names the one that is away, and is content once it is back', async ({
  federation,
  site,
}) => {
  const config = await changed(federation, () => {})
  for (const [node, check] of [
    ['ca', 'ca.https'],
    ['db-b', 'postgres.connect'],
  ] as const) {
    await site.node(node).stop()
    const found = await doctor(federation, config).finally(() => site.node(node).start())
    expect(found).toMatchObject({ code: 1, ok: false, failed: [{ id: check, remedy: expect.stringMatching(/\w/) }] })
    const isWell = async () => (await doctor(federation, config)).ok
    await site.until(`doctor to be content with ${node}`, isWell, { withinMs: 30_000, everyMs: 500 })
  }
})
