import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { manifestSchema } from '../shared/nats/manifest.ts'
import { credsPath } from '../shared/nats/setup-record.ts'
import { accountClaims } from './claims.ts'
import type { Configuration } from './config.ts'
import { copyAll } from './copy.ts'
import { pushAll, revoke } from './revoke.ts'
import { rotate } from './rotate.ts'
import { nscOf, readRecord, setUp } from './setup.ts'
import { loginAs, startBroker, type TestBroker } from './testing/broker.ts'
import { failingNsc, startProgram, type TestSetup, testSetup } from './testing/setup.ts'

// One setup and one broker for all: each test goes on where the one before ended.

let made: TestSetup
let broker: TestBroker
let configuration: Configuration
let folder: string
beforeAll(async () => {
  made = await testSetup()
  broker = await startBroker(made.configuration)
  folder = join(made.configuration.stateDir, '../handover')
  const handovers: Configuration['handovers'] = [{ dir: folder, users: ['admin_user', 'orchestrator_user'] }]
  configuration = { ...broker.configuration, handovers }
  await pushAll(configuration)
  await copyAll(configuration)
})
afterAll(async () => {
  await broker[Symbol.asyncDispose]()
  made[Symbol.dispose]()
})

let old: Uint8Array
beforeEach(() => {
  old = credsOf('orchestrator_user')
})

function credsOf(user: Parameters<typeof credsPath>[0]): Uint8Array {
  return readFileSync(join(configuration.stateDir, credsPath(user)))
}

const credsText = (...[user]: Parameters<typeof credsOf>) => Buffer.from(credsOf(user)).toString()
const manifest = () => manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
const refused = /authorization violation|user authentication revoked/i

/** Why the broker has ended a connection, once it has. */
async function endOf(login: Awaited<ReturnType<typeof loginAs>>): Promise<string> {
  return String(await login.connection.closed())
}

test('a rotation hands the next generation over; what was before works until it is due, and is ended then', async () => {
  await using live = await loginAs(broker, 'orchestrator_user')
  const before = await readRecord(configuration)
  const waiting = await rotatedBy(['--overlap-seconds', '3600'])

  const { users, generation } = await readRecord(configuration)
  expect(generation).toBe(before.generation + 1)
  expect(manifest().files.map(({ user }) => user.key)).toEqual([users.admin_user.key, users.orchestrator_user.key])
  expect(users.orchestrator_user.previous).toMatchObject([{ key: before.users.orchestrator_user.key }])
  expect(readFileSync(join(folder, 'orchestrator_auth.creds'))).toEqual(Buffer.from(credsOf('orchestrator_user')))
  expect((await pushAll(configuration)).pushed).toEqual([])
  {
    await using _new = await loginAs(broker, 'orchestrator_user')
    await using _old = await loginAs(broker, 'orchestrator_user', old)
  }
  expect(live.connection.isClosed()).toBe(false)
  expect((await setUp(configuration)).made).toBe(false)

  await ended(waiting)
  await letPass(3600)
  expect((await pushAll(configuration)).pushed).toEqual(['ADMIN', 'WORKLOAD'])
  expect(await endOf(live)).toMatch(refused)
  await expect(loginAs(broker, 'orchestrator_user', old)).rejects.toThrow(refused)
  await using _new = await loginAs(broker, 'orchestrator_user')
  expect((await readRecord(configuration)).users.orchestrator_user.previous).toEqual([])
})

/** A rotation of its own process, which waits for the old keys to be due. */
async function rotatedBy(args: readonly string[]): Promise<ChildProcess> {
  const { generation } = await readRecord(configuration)
  const child = startProgram(configuration, ['rotate', ...args])
  onTestFinished(() => void child.kill('SIGKILL'))
  await expect.poll(() => manifest().generation, { timeout: 60_000, interval: 50 }).toBe(generation + 1)
  return child
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

/** As if so much time had passed since the rotation. */
async function letPass(seconds: number): Promise<void> {
  const text = JSON.stringify(await readRecord(configuration))
  const earlier = (time: string) => new Date(Date.parse(time) - seconds * 1000).toISOString()
  const passed = text.replaceAll(/("until":")([^"]+)/g, (_, head, time) => `${head}${earlier(time)}`)
  writeFileSync(join(configuration.stateDir, 'setup.json'), passed)
}

describe('a rotation that was stopped', () => {
  test.each([
    ['when the old user was deleted', 2, 'after'],
    ['when the new user was added', 3, 'after'],
    ['when its credentials were written', 5, 'before'],
  ] as const)('%s is brought to its end by the next', async (_, at, how) => {
    const { generation, users } = await readRecord(configuration)
    const broken = { ...configuration, nsc: failingNsc(join(folder, '..'), { nsc: configuration.nsc, at, how }) }
    await expect(rotate(broken, { users: ['orchestrator_user'] })).rejects.toMatchObject({ code: 'nsc_failed' })
    expect(manifest().generation).toBe(generation)
    await using _still = await loginAs(broker, 'orchestrator_user', old)

    await rotate(configuration, { users: ['orchestrator_user'], overlapSeconds: 0 })
    const after = await readRecord(configuration)
    expect(after.generation).toBe(generation + 1)
    expect(after.users.orchestrator_user.key).not.toBe(users.orchestrator_user.key)
    expect(after.users.admin_user.key).toBe(users.admin_user.key)
    expect(manifest().files[1]?.user.key).toBe(after.users.orchestrator_user.key)
    await expect(loginAs(broker, 'orchestrator_user', old)).rejects.toThrow(refused)
    await using _new = await loginAs(broker, 'orchestrator_user')
  })

  test('before it was written down: hands nothing over that the record does not know, and the setup writes it down', async () => {
    const { generation } = await readRecord(configuration)
    const broken = {
      ...configuration,
      nsc: failingNsc(join(folder, '..'), { nsc: configuration.nsc, at: 6, how: 'before' }),
    }
    await expect(rotate(broken, { users: ['admin_user'] })).rejects.toMatchObject({ code: 'nsc_failed' })

    await expect(copyAll(configuration)).rejects.toThrow(
      /admin_user\.creds is of another key than setup\.json tells of/,
    )
    const { record, made } = await setUp({ ...configuration, overlapSeconds: 0 })
    expect({ made, generation: record.generation }).toEqual({ made: false, generation: generation + 1 })
    expect(await copyAll(configuration)).toMatchObject([{ changed: true, generation: generation + 1 }])
    expect((await pushAll(configuration)).pushed).toEqual(['ADMIN'])
  })
})

test('the callout is known to the broker by both keys while they overlap', async () => {
  const { users } = await readRecord(configuration)
  const keys = async () => (await accountClaims(nscOf(configuration), 'AUTH')).claims.nats.authorization?.auth_users
  const rotating = rotate(configuration, { users: ['callout_user'], overlapSeconds: 3 })
  await expect.poll(keys, { timeout: 60_000, interval: 20 }).toHaveLength(2)
  await rotating

  const { key } = (await readRecord(configuration)).users.callout_user
  expect(key).not.toBe(users.callout_user.key)
  expect(await keys()).toEqual([key])
  await using _new = await loginAs(broker, 'callout_user')
})

test('whoever was revoked is sent away and refused, and back with the next generation', async () => {
  await using live = await loginAs(broker, 'orchestrator_user')
  await using other = await loginAs(broker, 'admin_user')

  expect(await revoke(configuration, { users: ['orchestrator_user'] })).toMatchObject({ pushed: ['WORKLOAD'] })
  expect(await endOf(live)).toMatch(refused)
  await expect(loginAs(broker, 'orchestrator_user')).rejects.toThrow(refused)
  expect(other.connection.isClosed()).toBe(false)

  await rotate(configuration, { users: ['orchestrator_user'], overlapSeconds: 0 })
  await using _new = await loginAs(broker, 'orchestrator_user')
})

describe('a user is revoked with the key that he is about to get', () => {
  test('by a rotation that holds the store', async () => {
    const before = credsText('admin_user')
    const rotating = rotate(configuration, { users: ['admin_user'], overlapSeconds: 0 })
    await expect.poll(() => credsText('admin_user'), { timeout: 60_000, interval: 20 }).not.toBe(before)

    await revoke(configuration, { users: ['admin_user'] })
    await rotating
    await expect(loginAs(broker, 'admin_user')).rejects.toThrow(refused)
    await using _other = await loginAs(broker, 'orchestrator_user')
  })

  test('by a rotation that was stopped before it was written down', async () => {
    await rotateUpTo(7)
    expect((await revoke(configuration, { users: ['admin_user'] })).revoked).toHaveLength(2)

    await setUp({ ...configuration, overlapSeconds: 0 })
    await copyAll(configuration)
    await expect(loginAs(broker, 'admin_user')).rejects.toThrow(refused)
  })

  test('by a rotation that was stopped, and the next one gives him another', async () => {
    await rotateUpTo(8)
    await revoke(configuration, { users: ['admin_user'] })

    await rotate(configuration, { users: ['admin_user'], overlapSeconds: 0 })
    await using _new = await loginAs(broker, 'admin_user')
  })

  /** Stopped when it reads what it made, by the call of nsc of that number. */
  async function rotateUpTo(at: number): Promise<void> {
    const nsc = failingNsc(join(folder, '..'), { nsc: configuration.nsc, at, how: 'before' })
    const broken = rotate({ ...configuration, nsc }, { users: ['admin_user'] })
    await expect(broken).rejects.toMatchObject({ code: 'nsc_failed' })
  }
})

test('one key of an account is revoked, or all that were issued until now', async () => {
  const { key } = (await readRecord(configuration)).users.admin_user
  await revoke(configuration, { account: 'ADMIN', key })
  await expect(loginAs(broker, 'admin_user')).rejects.toThrow(refused)

  await using live = await loginAs(broker, 'orchestrator_user')
  await revoke(configuration, { account: 'WORKLOAD', key: '*' })
  expect(await endOf(live)).toMatch(refused)
  await expect(loginAs(broker, 'orchestrator_user')).rejects.toThrow(refused)
})
