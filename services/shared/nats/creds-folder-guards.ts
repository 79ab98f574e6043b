import { lstatSync, type Stats, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { guard, type Refusal } from '../guard.ts'
import { BEING_WRITTEN, type CredsDemand, credsFiles, entriesOf, modeText } from './creds-demand.ts'
import { kindOf } from './creds-text.ts'
import { currentSchema, MANIFEST_FILE, type Manifest, manifestSchema } from './manifest.ts'
import { jsonOf, type Opened, openPlain, textOf } from './plain-file.ts'

/** A folder with credentials as it is judged. Guards only look, and leave what they read for those that follow. */
export interface FolderContext {
  readonly demand: CredsDemand
  manifest?: Manifest
  /** What was found, for whoever has to mend it: thing, place and way out. */
  found?: string
}

function refused(context: { found?: string }, reason: string, found: string): Refusal {
  context.found = found
  return { reason, status: null }
}

const GROUP_WRITE = 0o020
const OTHERS = 0o007

/** Whoever may put a file into it decides as whom we log in. */
export const credsFolder = guard<FolderContext>(
  'creds.folder',
  ['folder_owner_invalid', 'folder_mode_invalid'],
  (context) => {
    const { folder, uid, gid } = context.demand
    // A link may lead there, by which a whole set is replaced at once: whoever could lead it elsewhere could as well move the folder.
    const stats = statsOf(folder)
    if (stats instanceof Error) {
      const found = `${folder} cannot be looked at (${stats.code}); let our user pass the folders above it`
      return refused(context, 'folder_mode_invalid', found)
    }
    if (stats === undefined || !stats.isDirectory()) {
      return refused(context, 'folder_owner_invalid', `${folder} is no folder; have the credentials handed over there`)
    }
    const owner = ownerProblem(stats, uid, gid)
    if (owner !== undefined) return refused(context, 'folder_owner_invalid', `${folder} ${owner}; chown it`)
    if ((stats.mode & (GROUP_WRITE | OTHERS)) === 0) return undefined
    const found = `${folder} has mode ${modeText(stats.mode)}; chmod it to ${gid === undefined ? '0700' : '2750'}`
    return refused(context, 'folder_mode_invalid', found)
  },
)

function statsOf(path: string): Stats | NodeJS.ErrnoException | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (failure) {
    return failure as NodeJS.ErrnoException
  }
}

/** The manifest makes a set of the files: it is written last, and what it does not name was not handed over. */
export const credsManifest = guard<FolderContext>(
  'creds.manifest',
  ['manifest_missing', 'manifest_invalid', 'generation_old'],
  (context) => {
    const { folder, manifestFile, installed } = context.demand
    const place = join(folder, manifestFile)
    const opened = openPlain(place)
    if (opened.problem === 'ENOENT') {
      return refused(context, 'manifest_missing', `${place} is not there; have the credentials handed over first`)
    }
    const problem = fileProblem(opened, context.demand)
    if (problem !== undefined) return refused(context, 'manifest_invalid', `${place} ${problem}`)
    const schema = manifestFile === MANIFEST_FILE ? manifestSchema : currentSchema
    const json = jsonOf(opened.file?.text ?? '')
    if (json === undefined) {
      return refused(
        context,
        'manifest_invalid',
        `${place} is no JSON, or not all of it is there; have it written anew`,
      )
    }
    const read = schema.safeParse(json)
    if (!read.success) {
      const mistakes = read.error.issues.map(({ path, message }) => `${path.join('.') || 'all of it'}: ${message}`)
      return refused(context, 'manifest_invalid', `${place}: ${mistakes.join('; ')}; have it written anew`)
    }
    context.manifest = read.data
    const names = read.data.files.map(({ name }) => name)
    const expected = credsFiles(context.demand)
    if ([...names].sort().join() !== [...expected].sort().join()) {
      const found = `${place} names ${names.join(', ')}, and must name ${expected.join(', ')}; hand over those`
      return refused(context, 'manifest_invalid', found)
    }
    if (read.data.generation >= (installed?.generation ?? 0)) return undefined
    const found = `${place} is generation ${read.data.generation}, and ${installed?.generation} is installed; hand over a newer one`
    return refused(context, 'generation_old', found)
  },
)

/** Whoever can change the manifest can change the set: it must be as the files that it names. */
function fileProblem({ file, problem }: Opened, { uid, gid, fileMode }: CredsDemand): string | undefined {
  if (file?.text === undefined) {
    return `is no plain file that we can read (${problem ?? 'of another sort, or too large'}); have it written anew`
  }
  const { stats } = file
  if (stats.nlink !== 1) return `has ${stats.nlink} names; have it written anew`
  const owner = ownerProblem(stats, uid, gid)
  if (owner !== undefined) return `${owner}; chown it`
  if ((stats.mode & 0o7777) === fileMode) return undefined
  return `has mode ${modeText(stats.mode)}; chmod it to ${modeText(fileMode)}`
}

/** Seeds of all sorts but those of users; every sort has a letter of its own. */
const SIGNING_SEED = /(?<![A-Z0-9])S[ACNOX][A-Z2-7]{56}(?![A-Z0-9])/
const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g
const KEY_STORES = ['keys', 'nkeys']

/** A key that signs others must never leave its host, and nothing that nobody asked for may lie here. */
export const credsSet = guard<FolderContext>('creds.set', ['file_unexpected', 'signing_key_found'], (context) => {
  const { folder, manifestFile, beside = [] } = context.demand
  const expected = [...credsFiles(context.demand), manifestFile, ...beside]
  const entries = entriesOf(folder)
  if (entries === undefined) {
    return refused(context, 'file_unexpected', `${folder} cannot be listed, so that anything may lie there; chmod it`)
  }
  const key = entries.find((name) => KEY_STORES.includes(name) || SIGNING_SEED.test(textOf(join(folder, name)) ?? ''))
  if (key !== undefined) {
    const found = `${join(folder, key)} holds a signing key, which is to stay where it was made; remove it, and make that key anew`
    return refused(context, 'signing_key_found', found)
  }
  const extra = entries.find((name) => {
    const place = join(folder, name)
    return !(expected.includes(name) || isBeingWritten(place)) || speaksForOthers(textOf(place) ?? '')
  })
  if (extra === undefined) return undefined
  const found = `${join(folder, extra)} is not meant to be here, only ${expected.join(', ')}; take it away, and find out who put it there`
  return refused(context, 'file_unexpected', found)
})

/** By its name, and as no folder or link: what is written beside a set is a plain file, which may be gone by now. */
function isBeingWritten(place: string): boolean {
  return BEING_WRITTEN.test(basename(place)) && lstatSync(place, { throwIfNoEntry: false })?.isFile() !== false
}

function speaksForOthers(text: string): boolean {
  return (text.match(JWT) ?? []).some((jwt) => ['operator', 'account'].includes(kindOf(jwt) ?? ''))
}

export function ownerProblem(stats: Pick<Stats, 'uid' | 'gid'>, uid: number, gid: number | undefined) {
  if (stats.uid !== uid) return `belongs to user ${stats.uid}, and must belong to ${uid}`
  return gid === undefined || stats.gid === gid ? undefined : `belongs to group ${stats.gid}, and must belong to ${gid}`
}
