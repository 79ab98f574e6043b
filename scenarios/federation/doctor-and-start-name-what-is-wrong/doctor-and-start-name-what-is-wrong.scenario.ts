import { expect, putFile, rogueAuthority, runOn, scenario } from 'holdfast/vitest'
import { type Federation, federation, places, requestFor } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

interface Json {
  [member: string]: unknown
  stepCa: Record<string, unknown>
  tls: Record<string, unknown>
  sealing: Record<string, unknown>
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

async function run({ site }: Federation, config: string, ...words: string[]) {
  const began = performance.now()
  const ran = await site.node('gateway-b').exec(['service:federation-gateway', '--config', config, ...words])
  return { ...ran, ms: performance.now() - began }
}

async function doctor(federation: Federation, config: string) {
  const { code, stdout } = await run(federation, config, 'doctor', '--json')
  const report = JSON.parse(stdout) as { ok: boolean; checks: { id: string; status: string; remedy: string | null }[] }
  return { code, ok: report.ok, failed: report.checks.filter(({ status }) => status === 'fail') }
}

/** A file on the node of the lender. */
async function given({ site }: Federation, text: string): Promise<string> {
  const path = `given/${crypto.randomUUID()}`
  await putFile(site, 'gateway-b', path, text)
  return `${site.node('gateway-b').dir}/${path}`
}

const faults: readonly (readonly [
  what: string,
  check: string,
  said: RegExp,
  change: (json: Json, federation: Federation) => void | Promise<void>,
])[] = [
  [
    'a member that is not declared',
    'config.schema',
    /unknown|unrecognized|skipChecks/i,
    (json) => {
      json.skipChecks = true
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
    /tls\.key, can be read by others; make it 0600/,
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

test('of a gateway that is well nothing failed', async ({ federation }) => {
  const config = await changed(federation, () => {})
  expect(await doctor(federation, config)).toEqual({ code: 0, ok: true, failed: [] })
})

test.for(faults)(
  '%s: doctor fails %s, and there is no start',
  async ([, check, said, change], { federation, site }) => {
    const config = await changed(federation, (json) => change(json, federation))
    const found = await doctor(federation, config)
    expect(found).toMatchObject({ code: 1, ok: false })
    expect(found.failed.map(({ id }) => id)).toContain(check)
    for (const { remedy } of found.failed) expect(remedy).toMatch(/\w/)

    const started = await run(federation, config, 'start')
    expect(started.code).toBe(78)
    expect(started.ms).toBeLessThan(site.bound(boundMs))
    expect(started.stderr.trim().split('\n')).toEqual([expect.stringMatching(said)])
  },
)

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
