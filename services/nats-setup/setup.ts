import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { USER_NAMES, type UserName } from '../shared/nats/roles.ts'
import { SETUP_FILE, type SetupRecord, setupRecordSchema } from '../shared/nats/setup-record.ts'
import type { Configuration } from './config.ts'
import { type Facts, readFacts } from './facts.ts'
import { OutputInvalid, SetupMissing } from './failures.ts'
import { isUnfinished, syncFolder, writeWhole } from './files.ts'
import { nscFolder, ownNames } from './layout.ts'
import { withStore } from './lock.ts'
import { Nsc } from './nsc.ts'
import { writeOutputs } from './outputs.ts'
import { makeStore } from './store.ts'

/** What a setup did: the record that stands now, and whether it was there before. */
export interface SetUp {
  readonly record: SetupRecord
  readonly made: boolean
  /** Where a store is now that an earlier run left half-made. */
  readonly movedAside?: string
}

/** Makes operator, accounts, users and all files, unless they are there and whole. The record comes last: without it nothing counts. */
export async function setUp(configuration: Configuration): Promise<SetUp> {
  await openFolder(configuration.stateDir)
  return withStore(configuration.stateDir, async () => {
    const nsc = nscOf(configuration)
    const there = await findRecord(configuration)
    if (there !== undefined) return { record: await checkedRecord(nsc, configuration, there), made: false }
    const movedAside = await moveAside(configuration)
    await mkdir(nscFolder(configuration), { mode: 0o700 })
    await makeStore(nsc, configuration)
    await writeOutputs(nsc, configuration)
    const facts = await readFacts(nsc, configuration)
    const record = recordOf(facts, { generation: 1 })
    await writeRecord(configuration, record)
    return { record, made: true, ...(movedAside !== undefined && { movedAside }) }
  })
}

/** Others may pass it, on their way to the broker's folder say: all that is secret lies in folders of its own. */
async function openFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { mode, uid } = await stat(path)
  const isOurs = uid === process.getuid?.() || process.getuid?.() === 0
  if ((mode & 0o022) === 0 && isOurs) return
  throw new OutputInvalid(path, 'is a folder that somebody else could change')
}

export function nscOf(configuration: Configuration): Nsc {
  return new Nsc(configuration.nsc, nscFolder(configuration))
}

export function recordOf(
  facts: Facts,
  { generation, previous = {} }: { generation: number; previous?: Partial<Record<UserName, Previous>> },
): SetupRecord {
  const users = USER_NAMES.map((name) => [name, { ...facts.users[name], previous: previous[name] ?? [] }])
  return {
    ...{ version: 2, generation, issuedAt: new Date().toISOString() },
    ...{ operator: facts.operator, accounts: facts.accounts, keys: facts.keys },
    users: Object.fromEntries(users) as SetupRecord['users'],
  }
}

type Previous = SetupRecord['users'][UserName]['previous']

/** Public keys and names: all may read it, the auth callout, which runs as another user, for one. */
export async function writeRecord({ stateDir }: Configuration, record: SetupRecord): Promise<void> {
  await writeWhole(join(stateDir, SETUP_FILE), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o644 })
  await syncFolder(stateDir)
}

/** @throws SetupMissing where there is none */
export async function readRecord(configuration: Configuration): Promise<SetupRecord> {
  const record = await findRecord(configuration)
  if (record === undefined) throw new SetupMissing(join(configuration.stateDir, SETUP_FILE), 'is missing')
  return record
}

async function findRecord({ stateDir, operator }: Configuration): Promise<SetupRecord | undefined> {
  const path = join(stateDir, SETUP_FILE)
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined
    throw new OutputInvalid(path, `cannot be read (${cause.code})`, { cause })
  })
  if (text === undefined) return undefined
  const record = setupRecordSchema.safeParse(jsonOf(text))
  if (!record.success) {
    const mistakes = record.error.issues.map((issue) => `${issue.path.join('.') || 'all of it'}: ${issue.message}`)
    throw new OutputInvalid(path, `is no record of a setup (${mistakes.join('; ')})`)
  }
  if (record.data.operator.name !== operator)
    throw new OutputInvalid(path, `is of the operator ${record.data.operator.name}`)
  return record.data
}

/** Undefined for what is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The record of a setup that is there and whole. A rotation that was stopped before it was written down is written down now. */
async function checkedRecord(nsc: Nsc, configuration: Configuration, record: SetupRecord): Promise<SetupRecord> {
  const facts = await readFacts(nsc, configuration)
  for (const part of ['operator', 'accounts', 'keys'] as const) {
    if (isDeepStrictEqual(facts[part], record[part])) continue
    throw new OutputInvalid(join(configuration.stateDir, SETUP_FILE), `tells of other ${part} than the store has`)
  }
  return isSameUsers(facts, record) ? record : writeRotated(configuration, { facts, record })
}

function isSameUsers({ users }: Facts, record: SetupRecord): boolean {
  return USER_NAMES.every((name) => users[name].key === record.users[name].key)
}

/** Writes down that users have other keys now; those that they had before are good for so much longer. */
export async function recordRotation(configuration: Configuration, overlapSeconds: number): Promise<SetupRecord> {
  const record = await readRecord(configuration)
  const facts = await readFacts(nscOf(configuration), configuration)
  return writeRotated(configuration, { facts, record, overlapSeconds })
}

async function writeRotated(
  configuration: Configuration,
  { facts, record, overlapSeconds = configuration.overlapSeconds }: Replaced & { overlapSeconds?: number },
): Promise<SetupRecord> {
  const until = new Date(Date.now() + overlapSeconds * 1000).toISOString()
  const previous = USER_NAMES.map((name) => {
    const { key, previous } = record.users[name]
    return [name, facts.users[name].key === key ? previous : [...previous, { key, until }]]
  })
  const next = recordOf(facts, { generation: record.generation + 1, previous: Object.fromEntries(previous) })
  await writeRecord(configuration, next)
  return next
}

interface Replaced {
  readonly facts: Facts
  readonly record: SetupRecord
}

/** Whatever a run left that did not come to its end: kept, since somebody may want to know why, and never used. */
async function moveAside({ stateDir, operator }: Configuration): Promise<string | undefined> {
  const own = ownNames({ operator })
  const left = (await readdir(stateDir)).filter((name) => own.includes(name))
  for (const name of await readdir(stateDir)) {
    if (isUnfinished(name)) await rm(join(stateDir, name), { force: true })
  }
  if (left.length === 0) return undefined
  const aside = join(stateDir, `store.incomplete-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`)
  await mkdir(aside, { mode: 0o700 })
  for (const name of left) await rename(join(stateDir, name), join(aside, name))
  return aside
}
