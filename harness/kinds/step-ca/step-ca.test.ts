import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signAtCa } from '../../agent/enrol.ts'
import type { Site } from '../../backends/backend.ts'
import { certifiedPlan, hostOf } from '../../backends/fixtures/plans.ts'
import { processBackend } from '../../backends/process/index.ts'
import { newRequest } from '../../pki/request.ts'
import type { UnitContext } from '../../topology/kind.ts'
import { stepCa } from './index.ts'

let site: Site
let evidence: string

beforeAll(async () => {
  evidence = await mkdtemp(join(tmpdir(), 'holdfast-step-ca-'))
  site = await processBackend.launch(certifiedPlan(), { evidence })
})
afterAll(async () => {
  await site[Symbol.asyncDispose]()
  await rm(evidence, { recursive: true, force: true })
})

const url = `https://${hostOf('ca')}:9000`
const provisioner = { name: 'holdfast', keyFile: '@{dir}/units/ca/provisioner.json' }

/** A certificate for `ask`, by a token for `granted`. */
async function certificate(
  ask: { subject: string; sans: string[] },
  { granted = ask, lifetimeSeconds = 60 }: { granted?: typeof ask; lifetimeSeconds?: number } = {},
): Promise<X509Certificate> {
  const { csrPem, x5rt } = await newRequest(ask)
  const ott = await site.oneTimeToken('ca', { url, provisioner, ...granted, x5rt })
  const anchorPem = await site.node('ca').readFile('units/ca/root.crt')
  const resolveTo = site.resolve(hostOf('ca'))
  const { certPem } = await signAtCa({ url, resolveTo, anchorPem, csrPem, ott, lifetimeSeconds })
  return new X509Certificate(certPem)
}

const own = { subject: 'a.conformance.test', sans: ['a.conformance.test'] }

test('a leaf names the host, is for both ends of TLS, and lives exactly as long as asked', async () => {
  const leaf = await certificate(own)

  expect(leaf.subject).toBe('CN=a.conformance.test')
  expect(leaf.subjectAltName).toBe('DNS:a.conformance.test')
  expect([...leaf.keyUsage].sort()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(60_000)
  expect(leaf.issuer).toBe('CN=lab issuing CA')
})

test.each([
  ['SAN that the token does not grant', { ask: { ...own, sans: [...own.sans, 'b.conformance.test'] } }, 403],
  ['subject that the token does not grant', { ask: { subject: 'b.conformance.test', sans: own.sans } }, 403],
  ['life above the maximum', { ask: own, lifetimeSeconds: 86_460 }, 403],
  ['life below the minimum', { ask: own, lifetimeSeconds: 9 }, 403],
])('a %s is refused', async (_, { ask, ...options }, status) => {
  const refused = certificate(ask, { granted: own, ...options })

  await expect(refused).rejects.toMatchObject({ code: 'HOLDFAST_ENROL_REFUSED', status })
  // The same with only that put back is signed.
  expect((await certificate(own, { granted: own })).subject).toBe('CN=a.conformance.test')
})

test('the shortest and the longest life are signed', async () => {
  await expect(certificate(own, { lifetimeSeconds: 10 })).resolves.toBeInstanceOf(X509Certificate)
  await expect(certificate(own, { lifetimeSeconds: 86_400 })).resolves.toBeInstanceOf(X509Certificate)
})

test('keys lie in files of their own that only the owner can read', async () => {
  const { stdout } = await site
    .node('ca')
    .exec(['find', 'units/ca', '-name', '*.key', '-o', '-name', 'provisioner.json'])

  expect(stdout.trim().split('\n')).toHaveLength(3)
  const open = await site.node('ca').exec(['find', '.', '-type', 'f', '-perm', '/077', '-not', '-path', '*/db/*'])
  expect(open.stdout).toBe('')
})

test('a default life outside of the limits is a mistake of the topology', () => {
  const mistakes: string[] = []
  const settings = stepCa.settings.parse({ defaultLifetime: '2h', maximumLifetime: '1h' })
  const unit = { node: 'ca', unit: 'ca', host: 'ca.test', domain: 'lab', settings }
  const mistake = (path: string, message: string) => mistakes.push(`${path} ${message}`)

  stepCa.plan({ ...unit, mistake } as unknown as UnitContext<never>)

  expect(mistakes).toEqual(['settings.defaultLifetime is 2h and must lie between 10s and 1h'])
})

test.each([{ port: 0 }, { port: '9000' }, { defaultLifetime: '10' }, { unknown: 1 }])(
  'settings %j are refused',
  (wrong) => {
    expect(stepCa.settings.safeParse(wrong).success).toBe(false)
    expect(stepCa.settings.safeParse({}).success).toBe(true)
  },
)
