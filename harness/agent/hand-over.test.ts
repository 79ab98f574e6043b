import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certifiedPlan, hostOf, oneshot } from '../backends/fixtures/plans.ts'
import { serveHandOver } from './hand-over.ts'
import type { NodeContext } from './node-context.ts'
import type { HandedFiles } from './protocol.ts'

const plan = certifiedPlan()
const share = { from: 'ca', source: { file: '@{dir}/public.txt' }, to: { path: '@{dir}/x', mode: '0600' } }
plan.nodes.server!.units.push(oneshot('lanes', [], [{ parallel: [[], [{ receive: share }]] }]))

let context: NodeContext

afterAll(() => rm(context.dir, { recursive: true, force: true }))
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-hand-over-'))
  await writeFile(join(dir, 'public.txt'), 'for all\n')
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'k1', alg: 'ES256' }
  await writeFile(join(dir, 'provisioner.json'), JSON.stringify(jwk))
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
