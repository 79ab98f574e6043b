import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, exportJWK, FlattenedEncrypt, generateKeyPair } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certifiedPlan, hostOf, oneshot } from '../backends/fixtures/plans.ts'
import { serveHandOver } from './hand-over.ts'
import type { NodeContext } from './node-context.ts'
import type { HandedFiles } from './protocol.ts'

const plan = certifiedPlan()
const share = { from: 'ca', source: { file: '@{dir}/public.txt' }, to: { path: '@{dir}/x', mode: '0600' } }
const provisioner = { name: 'mosaic-fed', keyFile: '@{dir}/encrypted.json', passwordFile: '@{dir}/password' }
const ofProvisioner = (keyFile: string) => ({
  ...{ from: 'ca', source: { provisioner: { ...provisioner, keyFile } }, to: { path: '@{dir}/y', mode: '0600' } },
})
plan.nodes.server!.units.push(
  oneshot(
    'key',
    [],
    ['encrypted', 'provisioner', 'public'].map((file) => ({ receive: ofProvisioner(`@{dir}/${file}.json`) })),
  ),
)
plan.nodes.server!.units.push(oneshot('lanes', [], [{ parallel: [[], [{ receive: share }]] }]))

let context: NodeContext

afterAll(() => rm(context.dir, { recursive: true, force: true }))
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-hand-over-'))
  await writeFile(join(dir, 'public.txt'), 'for all\n')
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'k1', alg: 'ES256' }
  await writeFile(join(dir, 'provisioner.json'), JSON.stringify(jwk))
  await writeFile(join(dir, 'public.json'), JSON.stringify({ ...jwk, d: undefined }))
  const encrypted = await new FlattenedEncrypt(new TextEncoder().encode(JSON.stringify(jwk)))
    .setProtectedHeader({ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM' })
    .encrypt(new TextEncoder().encode('of the provisioner'))
  await writeFile(join(dir, 'encrypted.json'), JSON.stringify(encrypted))
  await writeFile(join(dir, 'password'), 'of the provisioner\n')
  const enrol = plan.nodes.server!.units.find(({ name }) => name === 'cert')!.steps[0]! as {
    enrol: { provisioner: { keyFile: string } }
  }
  enrol.enrol.provisioner.keyFile = '@{dir}/provisioner.json'
  context = {
    plan,
    dir,
    node: plan.nodes.ca!,
    address: '127.0.0.1',
  } as unknown as NodeContext
})

test('serves a file that the plan hands over, also from inside parallel lanes', async () => {
  const asked = { kind: 'receive' as const, unit: 'server/lanes', step: [0, 1, 0] }

  const served = (await serveHandOver(context, asked)) as HandedFiles

  expect(served.files).toEqual({ 'public.txt': Buffer.from('for all\n').toString('base64') })
})

test.each([
  ['a step that is not there', { kind: 'receive', unit: 'server/lanes', step: [0, 1, 1] }],
  ['a step of another kind', { kind: 'receive', unit: 'server/cert', step: [0] }],
  ['a whole unit', { kind: 'receive', unit: 'server/lanes', step: [] }],
  ['a unit that is not there', { kind: 'receive', unit: 'server/nothing', step: [0] }],
  ['a node that is not there', { kind: 'receive', unit: 'nobody/lanes', step: [0] }],
  [
    'a token for a step that is no enrolment',
    { kind: 'one-time-token', unit: 'server/lanes', step: [0, 1, 0], x5rt: 'x' },
  ],
] as const)('refuses %s', async (_, asked) => {
  const refused = serveHandOver(context, { ...asked, step: [...asked.step] })

  await expect(refused).rejects.toMatchObject({ code: 'HOLDFAST_HANDOVER_UNDECLARED' })
})

test('refuses what the plan hands over from another node', async () => {
  const elsewhere = { ...context, node: plan.nodes.client! }
  const asked = { kind: 'receive' as const, unit: 'server/lanes', step: [0, 1, 0] }

  await expect(serveHandOver(elsewhere, asked)).rejects.toMatchObject({ code: 'HOLDFAST_HANDOVER_UNDECLARED' })
})

test('a one-time token says what the plan declares, is bound to the request, and ends within five minutes', async () => {
  const asked = { kind: 'one-time-token' as const, unit: 'server/cert', step: [0], x5rt: 'fingerprint' }
  const [one, other] = await Promise.all([serveHandOver(context, asked), serveHandOver(context, asked)])
  const claims = decodeJwt(one as string)

  expect(decodeProtectedHeader(one as string)).toEqual({ alg: 'ES256', kid: 'k1', typ: 'JWT' })
  expect(claims).toMatchObject({
    iss: 'holdfast',
    aud: `https://${hostOf('ca')}:9000/1.0/sign`,
    sub: hostOf('server'),
    sans: [hostOf('server')],
    cnf: { 'x5rt#S256': 'fingerprint' },
  })
  expect(claims.exp! - claims.iat!).toBe(300)
  expect(claims.jti).toMatch(/^[0-9a-f]{32}$/)
  expect(decodeJwt(other as string).jti).not.toBe(claims.jti)
})

test('the key of a provisioner is handed over as it signs, whether it lies encrypted or not', async () => {
  const served = await Promise.all(
    [0, 1].map((index) => serveHandOver(context, { kind: 'receive', unit: 'server/key', step: [index] })),
  )

  expect(served[0]).toBe(served[1])
  expect(JSON.parse(served[0] as string)).toMatchObject({ kid: 'k1', d: expect.any(String) })
})

test('a public key is handed over to nobody as one that signs, and another password opens none', async () => {
  const refused = serveHandOver(context, { kind: 'receive', unit: 'server/key', step: [2] })
  await expect(refused).rejects.toMatchObject({ code: 'HOLDFAST_PROVISIONER' })
  await writeFile(join(context.dir, 'password'), 'of somebody else')
  const closed = serveHandOver(context, { kind: 'receive', unit: 'server/key', step: [0] })
  await expect(closed).rejects.toMatchObject({ code: 'HOLDFAST_PROVISIONER' })
})
