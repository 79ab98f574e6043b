import { guard, type Refusal } from '../../shared/guard.ts'
import { TOKEN_FORM } from '../token/token-text.ts'
import { type Judged, mistaken } from './refused-start.ts'

/** What was found at a path. */
export interface FoundFile extends Judged {
  readonly path: string
  /** Why there is nothing to judge: a code of the system, or words. */
  readonly failure?: string
  readonly uid?: number
  readonly mode?: number
  readonly folder?: string
  readonly folderMode?: number
  /** Whether it holds what such a file holds. */
  readonly isContent?: boolean
}

interface JudgedFile extends FoundFile {
  readonly demand: {
    readonly isRequired: boolean
    readonly uid: number
    /** Whether it lies in the folder of credentials of this unit, where the group may read. */
    readonly isOwnFolder: boolean
  }
  /** What is told of a file that passes. */
  readonly told: string[]
}

const OTHERS = 0o007
const GROUP_WRITES = 0o020
const GROUP_READS = 0o040
const NOT_OWNERS_WRITE = 0o022

const NOT_REGULAR = ['ELOOP', 'EMLINK', 'ENXIO', 'EISDIR', 'not a regular file']
const MISSING = ['ENOENT', 'ENOTDIR']

export const bearerFile = guard<JudgedFile>(
  'bearer.file',
  [
    ...['file_missing', 'file_unreadable', 'file_not_regular', 'file_content'],
    ...['file_owner', 'file_mode', 'file_directory'],
  ],
  (file) => unreadable(file) ?? wrongOwner(file) ?? wrongMode(file) ?? wrongFolder(file),
)

function unreadable(file: JudgedFile): Refusal | undefined {
  const { path, failure, isContent } = file
  if (failure !== undefined && MISSING.includes(failure)) {
    const way = `make it: (umask 077 && bearer-node token new > ${path}), or copy the token of the cluster there`
    return mistaken(file, 'file_missing', `the token file ${path} is not there; ${way}`)
  }
  if (failure !== undefined && NOT_REGULAR.includes(failure)) {
    return mistaken(file, 'file_not_regular', `${path} is a link, or no regular file; name the token file itself`)
  }
  if (failure !== undefined) {
    const way = `see that this user may read it: chown ${file.demand.uid} ${path}`
    return mistaken(file, 'file_unreadable', `${path} cannot be read (${failure}); ${way}`)
  }
  if (isContent) return undefined
  const form = path.endsWith('.also')
    ? 'a JSON list of at most two {"token", "until"}, no third value, and no "until" beyond auth.maxOverlapS'
    : `one token (${TOKEN_FORM}) and at most one line end`
  return mistaken(file, 'file_content', `${path} does not hold what it should: ${form}; write it anew`)
}

function wrongOwner(file: JudgedFile): Refusal | undefined {
  const { path, uid, demand } = file
  if (uid === demand.uid || uid === 0) return undefined
  const way = `chown ${demand.uid} ${path}`
  return mistaken(file, 'file_owner', `${path} belongs to user ${uid}, who is neither this one nor root; ${way}`)
}

function wrongMode(file: JudgedFile): Refusal | undefined {
  const { path, uid, mode = 0, demand, told } = file
  const stated = `${path} of user ${uid} has mode ${octal(mode)}`
  const way = `chmod 0600 ${path}`
  if ((mode & OTHERS) !== 0) return mistaken(file, 'file_mode', `${stated}, which lets others at it; ${way}`)
  if ((mode & GROUP_WRITES) !== 0)
    return mistaken(file, 'file_mode', `${stated}, with which its group may write; ${way}`)
  if ((mode & GROUP_READS) === 0 || demand.isOwnFolder) return undefined
  const mistake = `${stated}, with which its group may read; ${way}`
  if (demand.isRequired) return mistaken(file, 'file_mode', mistake)
  told.push(mistake)
  return undefined
}

function wrongFolder(file: JudgedFile): Refusal | undefined {
  const { path, folder, folderMode = 0, demand, told } = file
  if ((folderMode & NOT_OWNERS_WRITE) === 0) return undefined
  const mistake = `${folder}, the folder of ${path}, has mode ${octal(folderMode)}, with which others may put another file there; chmod go-w ${folder}`
  if (demand.isRequired) return mistaken(file, 'file_directory', mistake)
  told.push(mistake)
  return undefined
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
