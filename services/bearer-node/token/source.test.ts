import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { testFolder } from '../../shared/testing/certificates.ts'
import { RefusedStart } from '../guards/refused-start.ts'
import { type TokenEnvironment, takeTokenEnvironment } from '../settings.ts'
import { NEW, NOTHING, OLD, OTHER } from '../testing/tokens.ts'
import type { FileDemand } from './file.ts'
import { readToken } from './source.ts'

// Every row of the table of sources: the highest that is given decides alone, and what is wrong with it is no reason to look further.

const folder = testFolder()
afterAll(() => rm(folder, { recursive: true }))

const file = join(folder, 'token')
writeFileSync(file, `${OTHER}\n`, { mode: 0o600 })
const nowhere = join(folder, 'nowhere')

const demand: FileDemand = {
  ...{ isRequired: false, uid: process.getuid!(), credentialsDirectory: undefined },
  ...{ longestOverlapMs: 1_000, now: Date.now },
}

interface Given {
  flag?: string
  isRequired?: boolean
  environment?: Partial<TokenEnvironment>
}

const read = ({ flag, isRequired = false, environment }: Given) =>
  readToken({ flag, isRequired, environment: { ...NOTHING, ...environment } }, demand)

async function refusal(given: Given): Promise<RefusedStart> {
  const failure = await read(given).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(failure).toBeInstanceOf(RefusedStart)
  const { message } = failure as RefusedStart
  for (const secret of [OLD, NEW, OTHER]) expect(message).not.toContain(secret.slice(0, 12))
  return failure as RefusedStart
}

describe('the highest source decides', () => {
  test.each([
    ['flag, variable, file', { flag: OLD, environment: { token: NEW, file } }, OLD],
    ['variable, file', { environment: { token: NEW, file } }, NEW],
    ['file', { environment: { file } }, OTHER],
    ['alias of the variable', { environment: { tokenAlias: NEW } }, NEW],
    ['alias of the file', { environment: { fileAlias: file } }, OTHER],
  ])('of %s', async (_, given, token) => {
    expect((await read(given)).given?.token).toBe(token)
  })

  test('and lower ones are not read: they are named, whatever they hold', async () => {
    const { told } = await read({ flag: OLD, environment: { token: '', fileAlias: nowhere } })
    const ignored = told.filter((line) => line.includes('is ignored'))
    expect(ignored).toHaveLength(2)
    expect(ignored[0]).toMatch(/^HOLDFAST_CLUSTER_AUTH_TOKEN is ignored.*--auth-token is given/)
    expect(ignored[1]).toMatch(/^RINGRIFT_CLUSTER_AUTH_TOKEN_FILE is ignored/)
  })

  test('and where a name and its alias differ below it, that is nobody’s business', async () => {
    const { given } = await read({ flag: OLD, environment: { token: NEW, tokenAlias: OTHER } })
    expect(given?.token).toBe(OLD)
  })

  test('no source is no token, without --require-auth', async () => {
    expect(await read({})).toEqual({ given: undefined, told: [] })
  })
})

describe('what is wrong with the highest source stops the start, with good ones below it', () => {
  test.each([
    ['flag', 'source_empty', '--auth-token', { flag: '', environment: { token: NEW, file } }],
    ['flag of spaces', 'source_empty', '--auth-token', { flag: '  ', environment: { token: NEW } }],
    ['flag', 'token_malformed', '--auth-token', { flag: 'short', environment: { token: NEW } }],
    ['variable', 'source_empty', 'HOLDFAST_CLUSTER_AUTH_TOKEN', { environment: { token: '', file } }],
    ['alias', 'source_empty', 'RINGRIFT_CLUSTER_AUTH_TOKEN', { environment: { tokenAlias: '', file } }],
    ['variable', 'token_malformed', 'HOLDFAST_CLUSTER_AUTH_TOKEN', { environment: { token: `${OLD}\n`, file } }],
    ['variable', 'token_malformed', 'HOLDFAST_CLUSTER_AUTH_TOKEN', { environment: { token: `"${OLD}"`, file } }],
    ['variable', 'token_malformed', 'HOLDFAST_CLUSTER_AUTH_TOKEN', { environment: { token: `${OLD}=a`, file } }],
    ['variable of 31', 'token_malformed', 'AUTH_TOKEN', { environment: { token: 'a'.repeat(31), file } }],
    ['variable of 513', 'token_malformed', 'AUTH_TOKEN', { environment: { token: 'a'.repeat(513), file } }],
    ['file', 'source_empty', 'HOLDFAST_CLUSTER_AUTH_TOKEN_FILE', { environment: { file: '' } }],
    ['file', 'file_missing', nowhere, { environment: { file: nowhere } }],
  ] as const)('%s: %s', async (_, reason, named, given) => {
    const failure = await refusal(given)
    expect(failure.reason).toBe(reason)
    expect(failure.guard).toBe(reason === 'file_missing' ? 'bearer.file' : 'bearer.source')
    expect(failure.message).toContain(named)
  })

  test.each([32, 512])('a token of %d characters is one', async (length) => {
    expect((await read({ flag: 'a'.repeat(length) })).given?.token).toHaveLength(length)
  })

  test('none is needed, and none is given: the sentence of the manual', async () => {
    const failure = await refusal({ isRequired: true, environment: { withoutEffect: ['RINGRIFT_P2P_AUTH_TOKEN'] } })
    expect([failure.guard, failure.reason]).toEqual(['bearer.source', 'token_required'])
    expect(failure.message).toBe(
      '--require-auth is set, but no token was given by --auth-token, HOLDFAST_CLUSTER_AUTH_TOKEN or HOLDFAST_CLUSTER_AUTH_TOKEN_FILE',
    )
    expect((await read({ isRequired: true, flag: OLD })).given?.token).toBe(OLD)
  })
})

describe('a name and its alias', () => {
  test('with one value are one source, and that is told', async () => {
    const { given, told } = await read({ environment: { token: NEW, tokenAlias: NEW } })
    expect(given?.token).toBe(NEW)
    expect(told.join('\n')).toContain('HOLDFAST_CLUSTER_AUTH_TOKEN and RINGRIFT_CLUSTER_AUTH_TOKEN are one source')
  })

  test.each([
    { token: NEW, tokenAlias: OLD, file },
    { file, fileAlias: nowhere },
    { token: NEW, tokenAlias: '', file },
  ])('with two values stop the start', async (environment) => {
    expect(await refusal({ environment })).toMatchObject({ guard: 'bearer.source', reason: 'alias_conflict' })
  })
})

describe('what is told', () => {
  test.each([
    ['flag', { flag: OLD }, '/proc/PID/cmdline'],
    ['variable', { environment: { token: OLD } }, '/proc/PID/environ'],
  ])('of a %s: where others see it, and the way out', async (_, given, place) => {
    const { told } = await read(given)
    expect(told).toHaveLength(1)
    expect(told[0]).toContain(place)
    expect(told[0]).toContain('HOLDFAST_CLUSTER_AUTH_TOKEN_FILE')
  })

  test('of a file nothing', async () => {
    expect((await read({ environment: { file } })).told).toEqual([])
  })

  test('of variables that have no effect: each by its name', async () => {
    const withoutEffect = ['RINGRIFT_P2P_AUTH_TOKEN', 'RINGRIFT_P2P_AUTH_TOKEN_FILE']
    const { given, told } = await read({ environment: { withoutEffect } })
    expect(given).toBeUndefined()
    expect(told[0]).toBe('RINGRIFT_P2P_AUTH_TOKEN has no effect; the variable is HOLDFAST_CLUSTER_AUTH_TOKEN')
    expect(told[1]).toBe('RINGRIFT_P2P_AUTH_TOKEN_FILE has no effect; the variable is HOLDFAST_CLUSTER_AUTH_TOKEN_FILE')
  })
})

test('the environment is left without any of them, and with all else', () => {
  const environment: Record<string, string | undefined> = {
    ...{ HOLDFAST_CLUSTER_AUTH_TOKEN: OLD, HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: '' },
    ...{ RINGRIFT_CLUSTER_AUTH_TOKEN: NEW, RINGRIFT_CLUSTER_AUTH_TOKEN_FILE: file },
    ...{
      RINGRIFT_P2P_AUTH_TOKEN: OTHER,
      RINGRIFT_P2P_AUTH_TOKEN_FILE: 'x',
      CREDENTIALS_DIRECTORY: '/run/c',
      PATH: '/bin',
    },
  }
  expect(takeTokenEnvironment(environment)).toEqual({
    ...{ token: OLD, file: '', tokenAlias: NEW, fileAlias: file, credentialsDirectory: '/run/c' },
    withoutEffect: ['RINGRIFT_P2P_AUTH_TOKEN', 'RINGRIFT_P2P_AUTH_TOKEN_FILE'],
  })
  expect(environment).toEqual({ CREDENTIALS_DIRECTORY: '/run/c', PATH: '/bin' })
})
