import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CredsDemand } from '../../shared/nats/creds-demand.ts'
import { handOver, manifestFor, type TestOperator, testOperator } from '../../shared/nats/testing/operator.ts'
import { type OptionalConfigContext, optionalConfig } from '../guards/optional-config.ts'
import { secretFile } from '../testing/messaging-site.ts'
import { Credentials } from './credentials.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-credentials-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let operator: TestOperator
beforeAll(async () => {
  operator = await testOperator()
})

test('from a fifth of their life on credentials are said to end, once for each set; from a twentieth they are over', async () => {
  const users = [await operator.user('admin_user'), await operator.user('orchestrator_user')]
  handOver(join(folder, 'creds'), manifestFor(operator, users), users, { folder: 0o700, file: 0o600 }, 'current.json')
  const issued = Date.now()
  const life = (users[0]?.exp ?? 0) * 1000 - issued
  let now = issued
  const warned: string[] = []
  const log = { info() {}, error() {}, warn: (event: string) => void warned.push(event) }
  const demand: CredsDemand = {
    ...{ folder: join(folder, 'creds'), uid: process.getuid?.() ?? 0, fileMode: 0o600, manifestFile: 'current.json' },
    ...{ users: ['admin_user', 'orchestrator_user'], now: () => now },
  }
  const credentials = new Credentials(demand, { decisions: { record() {}, close() {} }, log, node: 'orchestrator' })
  const at = (share: number) => {
    now = issued + life * share
    return credentials.lifeLeft()
  }

  expect([at(0), at(0.5), at(0.79)]).toEqual(['enough', 'enough', 'enough'])
  expect(warned).toEqual([])
  expect([at(0.81), at(0.9), at(0.94)]).toEqual(['ending', 'ending', 'ending'])
  expect([at(0.96), at(1), at(2)]).toEqual(['over', 'over', 'over'])
  expect(warned).toEqual(['credentials-ending'])
})

test.each<[string, () => string]>([
  ['none', () => secretFile(join(folder, 'good'), 'x')],
  ['config_file_missing', () => join(folder, 'nowhere')],
  ['config_file_missing', () => folder],
  ['config_file_mode', () => secretFile(join(folder, 'open'), 'x', 0o640)],
  ['config_file_empty', () => secretFile(join(folder, 'empty'), '')],
])('optional-config: %s', (expected, path) => {
  const context: OptionalConfigContext = {
    key: 'messaging.mongo.passwordFile',
    path: path(),
    uid: process.getuid?.() ?? 0,
  }

  const refusal = optionalConfig.check(context) as { reason: string } | undefined

  expect(refusal?.reason ?? 'none').toBe(expected)
  if (refusal !== undefined) expect(context.found).toContain(context.path)
})

test('optional-config: a file of somebody else is none', () => {
  const path = secretFile(join(folder, 'other'), 'x')
  expect(optionalConfig.check({ key: 'x', path, uid: (process.getuid?.() ?? 0) + 1 })).toMatchObject({
    reason: 'config_file_mode',
  })
})
