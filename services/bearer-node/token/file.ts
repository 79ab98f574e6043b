import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { bearerFile, type FoundFile } from '../guards/file.ts'
import { refuseStart } from '../guards/refused-start.ts'
import type { TokenValues } from './accepted.ts'
import { alsoFileOf, alsoIn } from './also.ts'
import { isToken } from './token-text.ts'

/** What token files have to fulfil. */
export interface FileDemand {
  /** Whether a weakness that others can only read, or that is of the folder, stops a start rather than being told. */
  readonly isRequired: boolean
  /** User of the node. */
  readonly uid: number
  /** In there the group may read: systemd shows its own access list as mode 0440. */
  readonly credentialsDirectory: string | undefined
  /** How far ahead `until` of another value may be, in ms. */
  readonly longestOverlapMs: number
  /** Ms since 1970. */
  now(): number
  /** Default: 5 s. */
  readonly withinMs?: number
}

/** A token file and the one beside it, read and found good. */
export interface TokenFiles extends TokenValues {
  readonly told: readonly string[]
}

const LARGEST_BYTES = 4_096
const WITHIN_MS = 5_000
/** Neither through a link, nor waiting for somebody to write into a pipe, nor taking over a terminal. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY

/**
 * The token file first, and `.also` second: a roll writes them in the other order, so that whatever is read between its two writes accepts
 * all that should be.
 *
 * @throws RefusedStart of guard `bearer.file`
 */
export async function readTokenFiles(path: string, demand: FileDemand): Promise<TokenFiles> {
  const own = await judged(path, demand, (text) => {
    const token = text.replace(/\r?\n$/, '')
    return isToken(token) ? token : undefined
  })
  const alsoFile = alsoFileOf(path)
  const form = (text: string) => alsoIn(text, own.content, demand)
  const also = await judged(alsoFile, demand, form, { content: [], told: [] })
  return { sends: own.content, also: also.content, told: [...new Set([...own.told, ...also.told])] }
}

interface Good<Content> {
  readonly content: Content
  readonly told: readonly string[]
}

/** `absent`: what counts where there is no such file, which then is no mistake. */
async function judged<Content>(
  path: string,
  demand: FileDemand,
  read: (text: string) => Content | undefined,
  absent?: Good<Content>,
): Promise<Good<Content>> {
  const found = await within(demand.withinMs ?? WITHIN_MS, find(path, read), path)
  if (absent !== undefined && found.failure === 'ENOENT') return absent
  const context = {
    ...found,
    demand: { ...demand, isOwnFolder: isInside(path, demand.credentialsDirectory) },
    told: [],
  }
  await refuseStart([bearerFile], context)
  // Only what could be read can be used, whatever a guard says.
  if (found.content === undefined) throw new Error(`${path} could not be read`)
  return { content: found.content, told: context.told }
}

/** Gathers what there is to know of a file, for the guard to judge. */
async function find<Content>(
  path: string,
  read: (text: string) => Content | undefined,
): Promise<FoundFile & { content?: Content }> {
  let handle: FileHandle
  try {
    handle = await open(path, FLAGS)
  } catch (failure) {
    return { path, failure: codeOf(failure) }
  }
  try {
    const status = await handle.stat()
    if (!status.isFile()) return { path, failure: 'not a regular file' }
    const bytes = Buffer.alloc(LARGEST_BYTES + 1)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
    const folder = dirname(path)
    const { mode: folderMode } = await stat(folder)
    const text = bytesRead > LARGEST_BYTES ? undefined : bytes.subarray(0, bytesRead).toString('latin1')
    const content = text === undefined ? undefined : read(text)
    return {
      path,
      uid: status.uid,
      mode: status.mode & 0o7777,
      folder,
      folderMode: folderMode & 0o7777,
      content,
      isContent: content !== undefined,
    }
  } catch (failure) {
    return { path, failure: codeOf(failure) }
  } finally {
    await handle.close()
  }
}

/** A file of a server that is gone may keep whoever asks for it for ever. */
async function within<Found extends FoundFile>(
  ms: number,
  finding: Promise<Found>,
  path: string,
): Promise<Found | (FoundFile & { content?: undefined })> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<FoundFile>((settle) => {
    timer = setTimeout(() => settle({ path, failure: `no answer within ${ms} ms` }), ms)
  })
  try {
    return await Promise.race([finding, over])
  } finally {
    clearTimeout(timer)
  }
}

/** Only what the system says is about the file. */
function codeOf(failure: unknown): string {
  const { code } = failure as NodeJS.ErrnoException
  if (code === undefined) throw failure
  return code
}

function isInside(path: string, folder: string | undefined): boolean {
  return folder !== undefined && folder !== '' && resolve(path).startsWith(`${resolve(folder)}/`)
}
