import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { Site } from '../../backends/backend.ts'
import { processBackend } from '../../backends/process/index.ts'
import { compile, kinds } from '../../shipped.ts'
import { until } from '../../site/until.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import { defineKind } from '../../topology/kind.ts'
import type { Mistake } from '../../topology/mistakes.ts'
import type { Plan } from '../../topology/plan.ts'
import { resolverFile, setupFolderBeside } from '../nats-files.ts'
import { tlsFiles } from '../reference-service.ts'

/** A broker without anything else: what counts here is what is made for it and brought to it. */
const bareBroker = defineKind({
  name: 'bare-broker',
  summary: 'a broker',
  settings: z.strictObject({}),
  plan: (unit) => {
    const { ca, cert, key } = tlsFiles({ ...unit, settings: {} })
    const files = { cert_file: cert, key_file: key, ca_file: ca, verify: true }
    const text = [
      'listen: @{address}:4222',
      'operator: @{dir}/units/nats-auth-setup/state/HOLO.jwt',
      `tls: ${JSON.stringify(files)}`,
      'jetstream: { store_dir: "@{unit}/jetstream" }',
      `include ${JSON.stringify(`${setupFolderBeside('nats-auth-setup')}/${resolverFile}`)}`,
    ]
    return {
      summary: 'a broker',
      files: [{ path: '@{unit}/server.conf', text: `${text.join('\n')}\n` }],
      service: {
        command: { program: { tool: 'nats-server' }, args: ['--config', '@{unit}/server.conf'] },
        ready: { tcp: { port: 4222 } },
        listeners: [{ name: 'nats', port: 4222, protocol: 'tcp', clientCertificate: 'required' }],
      },
    }
  },
})

const reader = defineKind({
  name: 'reader',
  summary: 'needs credentials',
  settings: z.strictObject({}),
  plan: (unit) => {
    const { path } = unit.credential('creds')
    return { summary: 'needs creds', files: [], steps: [{ run: { program: { path: 'test' }, args: ['-d', path] } }] }
  },
})

const node = (name: string, units = {}) => ({ host: `${name}.nsc.test`, domain: 'lab', units })
const certificate = (holder: string) =>
  ({ kind: 'certificate', issuer: 'ca', holder, lifetime: '10m', handover: 'enrol' }) as const

/** Of all units that know keys; none where this machine runs everything as one user. */
const ownUser = processBackend.capabilities.ownUsers ? { user: 'nobody' } : {}
const { user } = { user: userInfo().username, ...ownUser }

function topology({ setup = {}, units = {} }: { setup?: object; units?: object } = {}) {
  const creds = { kind: 'nats-creds', issuer: 'nats-1', operator: 'HOLO', holder: 'b', handover: 'copy' } as const
  return {
    ...{ name: 'nsc-lab', summary: 'Credentials made by nsc.', trustDomains: { lab: { ca: 'ca' } } },
    nodes: {
      ca: node('ca', { ca: { kind: 'step-ca' } }),
      'nats-1': node('nats-1', {
        'nats-auth-setup': { kind: 'nsc-setup', settings: setup, ...ownUser },
        'shared-creds-copy': { kind: 'creds-copy', after: ['nats-auth-setup'], ...ownUser },
        'nats-server': { kind: 'bare-broker', after: ['shared-creds-copy'] },
        'nats-accounts-push': { kind: 'nsc-push', after: ['nats-server'], ...ownUser },
        'nats-creds-rotate': { kind: 'nsc-rotate', start: 'on demand', ...ownUser },
        'nats-user-revoke': { kind: 'nsc-revoke', start: 'on demand', ...ownUser },
        ...units,
      }),
      b: node('b', { reader: { kind: 'reader' } }),
    },
    credentials: {
      ...{ 'cert-nats-1': certificate('nats-1'), 'cert-b': certificate('b') },
      creds: { ...creds, users: ['WORKLOAD/orchestrator_user', 'ADMIN/admin_user'] },
    },
    accepts: [],
  }
}

function compiled(...parts: Parameters<typeof topology>): Plan {
  return compile(topology(...parts) as never, {
    kinds: new Map([...kinds, ['bare-broker', bareBroker], ['reader', reader]]),
  })
}

let site: Site
let evidence: string
beforeAll(async () => {
  evidence = await mkdtemp(join(tmpdir(), 'holdfast-nsc-'))
  site = await processBackend.launch(compiled(), { evidence })
})
afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  await rm(evidence, { recursive: true, force: true })
})

const record = async () => JSON.parse(await site.node('nats-1').readFile('units/nats-auth-setup/state/setup.json'))
const manifest = async () => JSON.parse(await site.node('b').readFile('credentials/creds/manifest.json'))

test('credentials are made, copied, and come to who holds them', async () => {
  const { users, operator } = await record()

  expect(await manifest()).toMatchObject({
    ...{ generation: 1, operator: operator.key },
    files: [
      { name: 'orchestrator_auth.creds', user: { name: 'orchestrator_user', key: users.orchestrator_user.key } },
      { name: 'admin_user.creds', user: { name: 'admin_user', key: users.admin_user.key } },
    ],
  })
  const { stdout } = await site.node('b').exec(['ls', 'credentials/creds'])
  expect(stdout.trim().split('\n')).toEqual(['admin_user.creds', 'manifest.json', 'orchestrator_auth.creds'])
})

test('the claims of every account were brought to the broker', async () => {
  const { accounts } = await record()

  const { stdout } = await site.node('nats-1').exec(['ls', 'units/nats-server/jwt'])
  expect(stdout.trim().split('\n').sort()).toEqual(
    Object.values(accounts)
      .map((key) => `${key}.jwt`)
      .sort(),
  )
})

test('only their maker reads what it made, but for the record, which holds nothing secret', async () => {
  const folders = ['nats-auth-setup', 'shared-creds-copy'].map((unit) => `units/${unit}`)
  const found = async (...test: string[]) => (await site.node('nats-1').exec(['find', ...folders, ...test])).stdout

  const openToOthers = await found('-type', 'f', '(', '-perm', '/077', '-o', '-not', '-user', user, ')')
  expect(openToOthers).toBe('units/nats-auth-setup/state/setup.json\n')
  expect(await found('-name', 'curve.nk', '-user', user)).not.toBe('')
})

test('a rotation comes to who holds them, and a revocation to the broker', async () => {
  const { users } = await record()
  const rotated = await site.node('nats-1').run('nats-creds-rotate', { input: '{"overlapSeconds":0}' })
  expect(rotated).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(rotated.stdout)).toMatchObject({ generation: 2, users: ['orchestrator_user', 'admin_user'] })
  await until('the next generation', async () => (await manifest()).generation === 2, { withinMs: 10_000 })

  const { key } = (await record()).users.admin_user
  expect(key).not.toBe(users.admin_user.key)
  const revoked = await site
    .node('nats-1')
    .run('nats-user-revoke', { input: JSON.stringify({ account: 'ADMIN', key }) })
  expect(revoked).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(revoked.stdout)).toMatchObject({ pushed: ['ADMIN'], revoked: [{ account: 'ADMIN', key }] })
})

test('no seed stands in what was written down of it', async () => {
  const found = async (folder: string) => {
    return (await site.node('nats-1').exec(['grep', '-rElI', 'S[UAOX][A-Z2-7]{56}', folder])).stdout.trim().split('\n')
  }

  expect(await found('units/nats-auth-setup/state/local-keys')).toHaveLength(5)
  expect(await found(evidence)).toEqual([''])
})

function mistakesOf(...parts: Parameters<typeof topology>): readonly Mistake[] {
  return mistakesIn(() => compiled(...parts))
}

test.each<[string, Parameters<typeof topology>[0], string, RegExp]>([
  [
    'a life of seconds',
    { setup: { userLifetime: '30s' } },
    'nodes.nats-1.units.nats-auth-setup.settings.userLifetime',
    /shorter than 1m/,
  ],
  [
    'an account of hours',
    { setup: { accountLifetime: '2h' } },
    'nodes.nats-1.units.nats-auth-setup.settings.accountLifetime',
    /shorter than 1d/,
  ],
  [
    'a setup that is not there',
    { units: { again: { kind: 'nsc-push', settings: { setup: 'nsc' } } } },
    'nodes.nats-1.units.again.settings.setup',
    /has no unit "nsc"; name its unit of kind nsc-setup/,
  ],
  [
    'a setup of another kind',
    { units: { again: { kind: 'nsc-push', settings: { setup: 'nats-server' } } } },
    'nodes.nats-1.units.again.settings.setup',
    /"nats-server" is of kind bare-broker/,
  ],
])('%s is a mistake of the topology', (_, parts, path, message) => {
  expect(mistakesOf(parts)).toMatchObject([{ path, message: expect.stringMatching(message) }])
  expect(mistakesOf()).toEqual([])
})
