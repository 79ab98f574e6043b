import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { SetupError } from '../../shared/setup-error.ts'
import { syncFolder } from '../../shared/sync-folder.ts'
import { type AlsoToken, alsoFileOf, alsoText } from './also.ts'
import { type FileDemand, readTokenFiles } from './file.ts'
import { refOf } from './ref.ts'

/** One node's part of a roll. Each step may be called again: what is done is done once. */
export interface Roll {
  /** The token file of the node. Beside it lies `.also`. */
  readonly tokenFile: string
  /** For how long the other value is accepted, in ms from each step. At most `auth.maxOverlapS`. */
  readonly overlapMs: number
  /** Ms since 1970. */
  now(): number
}

/** What a node does once it has read its files. `until`: ISO 8601, null for what is accepted without end. */
export interface RollState {
  readonly sends: string
  readonly accepts: readonly { readonly ref: string; readonly until: string | null }[]
}

/** A file that is put in place as a whole; without text it is taken away. */
export interface Placement {
  readonly path: string
  readonly text: string | undefined
}

/** A step, worked out: files to place in that order, and what comes of it. */
export interface RollStep {
  readonly placements: readonly Placement[]
  readonly state: RollState
}

/** Has the node accept the token of another file beside its own. @throws SetupError @throws RefusedStart */
export async function beginRoll(roll: Roll, newTokenFile: string): Promise<RollState> {
  return done(roll, await beginning(roll, newTokenFile))
}

/** Has the node send the new token, and accept the old one until the end. @throws SetupError @throws RefusedStart */
export async function switchRoll(roll: Roll): Promise<RollState> {
  return done(roll, await switching(roll))
}

/** Has the node accept nothing but what it sends. @throws SetupError @throws RefusedStart */
export async function endRoll(roll: Roll): Promise<RollState> {
  return done(roll, await ending(roll))
}

export async function beginning(roll: Roll, newTokenFile: string): Promise<RollStep> {
  const { sends: own, also } = await read(roll, roll.tokenFile)
  const { sends: next } = await read(roll, newTokenFile)
  if (next === own) throw new SetupError('roll_pointless', `${newTokenFile} holds the token that is sent already`)
  if (live(roll, also).some(({ token }) => token !== own && token !== next)) {
    const way = 'end it first: bearer-node token roll end'
    throw new SetupError('roll_under_way', `${alsoFileOf(roll.tokenFile)} names another value already; ${way}`)
  }
  const others = until(roll, [next])
  return { placements: [alsoPlaced(roll, others)], state: stateOf(own, others) }
}

export async function switching(roll: Roll): Promise<RollStep> {
  const { sends: own, also } = await read(roll, roll.tokenFile)
  // The new one stands first, before a switch and after it: so whether it was done is told by the token file alone.
  const [first] = live(roll, also)
  if (first === undefined) {
    const way = 'bearer-node token roll begin --new-token-file FILE'
    throw new SetupError('roll_not_begun', `no other value is accepted beside ${roll.tokenFile}; begin: ${way}`)
  }
  const { token: next } = first
  const old = next === own ? also.find(({ token }) => token !== own)?.token : own
  const both = until(roll, old === undefined ? [next] : [next, old])
  const switched = { path: roll.tokenFile, text: `${next}\n` }
  // The token file second: no moment exists in which a value that should be accepted is not.
  return { placements: [alsoPlaced(roll, both), ...(next === own ? [] : [switched])], state: stateOf(next, both) }
}

export async function ending(roll: Roll): Promise<RollStep> {
  const { sends: own, also } = await read(roll, roll.tokenFile)
  const [first] = live(roll, also)
  if (first !== undefined && first.token !== own) {
    throw new SetupError(
      'roll_not_switched',
      `${roll.tokenFile} is still the old value, which others may send no more; switch first: bearer-node token roll switch`,
    )
  }
  return { placements: [{ path: alsoFileOf(roll.tokenFile), text: undefined }], state: stateOf(own, []) }
}

/** Puts a file in place whole or not at all, on disk when this returns, with owner and mode of another. */
export function place({ path, text }: Placement, like: string): void {
  if (text === undefined) rmSync(path, { force: true })
  else write(path, text, like)
  syncFolder(dirname(path))
}

function done({ tokenFile }: Roll, { placements, state }: RollStep): RollState {
  for (const placement of placements) place(placement, tokenFile)
  return state
}

/** Whatever an overlap was set to before: what lies there is good for who only reads it. */
const LONGEST_OVERLAP_MS = 2_592_000_000

function read({ now }: Roll, path: string) {
  // Whoever rolls may be root, and then the files are another user's: whose they are the node judges.
  const uid = statSync(path, { throwIfNoEntry: false })?.uid ?? 0
  const longestOverlapMs = LONGEST_OVERLAP_MS
  const demand: FileDemand = { isRequired: true, uid, credentialsDirectory: undefined, longestOverlapMs, now }
  return readTokenFiles(path, demand)
}

function live({ now }: Roll, also: readonly AlsoToken[]): AlsoToken[] {
  return also.filter(({ until: end }) => end > now())
}

function until({ now, overlapMs }: Roll, tokens: readonly string[]): AlsoToken[] {
  const end = now() + overlapMs
  return tokens.map((token) => ({ token, until: end }))
}

function alsoPlaced({ tokenFile }: Roll, also: readonly AlsoToken[]): Placement {
  return { path: alsoFileOf(tokenFile), text: alsoText(also) }
}

function stateOf(sends: string, also: readonly AlsoToken[]): RollState {
  const others = also.filter(({ token }) => token !== sends)
  return {
    sends: refOf(sends),
    accepts: [
      { ref: refOf(sends), until: null },
      ...others.map((one) => ({ ref: refOf(one.token), until: new Date(one.until).toISOString() })),
    ],
  }
}

function write(path: string, text: string, like: string): void {
  const { uid, gid, mode } = statSync(like)
  const part = `${path}.${randomBytes(6).toString('hex')}`
  const handle = openSync(part, 'wx', 0o600)
  try {
    try {
      if (uid !== process.getuid?.() || gid !== process.getgid?.()) fchownSync(handle, uid, gid)
      fchmodSync(handle, mode & 0o777)
      writeSync(handle, text)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(part, path)
  } catch (failure) {
    rmSync(part, { force: true })
    throw failure
  }
}
