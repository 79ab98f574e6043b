import { join } from 'node:path'
import type { Refusal } from '../guard.ts'
import { StartFailure } from '../start-failure.ts'
import type { CredsDemand } from './creds-demand.ts'
import { credsClaims, credsFile, credsForm, credsTime, type FileContext, openCreds } from './creds-file-guards.ts'
import { credsFolder, credsManifest, credsSet, type FolderContext } from './creds-folder-guards.ts'
import type { Creds } from './creds-text.ts'
import type { Manifest, ManifestFile } from './manifest.ts'
import type { UserName } from './roles.ts'

/** Credentials that every guard has passed, as they were read at that moment. */
export interface CredsSet {
  readonly manifest: Manifest
  readonly files: readonly CredsOf[]
}

export interface CredsOf {
  readonly entry: ManifestFile
  /** The file as it is, to be installed. Secret. */
  readonly text: string
  readonly creds: Creds
}

/** Why a set of credentials must not be used; the guard that found it stands in the decision record. */
export class CredsRefused extends StartFailure {
  readonly guard: string

  constructor(guard: string, reason: string, message: string) {
    super(reason, message)
    this.name = 'CredsRefused'
    this.guard = guard
  }
}

const FOLDER_GUARDS = [credsFolder, credsManifest, credsSet]
const FILE_GUARDS = [credsFile, credsForm, credsClaims, credsTime]

/**
 * Judges a folder, its manifest, and each file in it, in this order.
 *
 * @throws CredsRefused
 */
export function readCredsSet(demand: CredsDemand): CredsSet {
  const folder: FolderContext = { demand }
  pass(FOLDER_GUARDS, folder, demand.folder)
  const { manifest } = folder
  // Only where that guard was taken out: there is nothing to go on with.
  if (manifest === undefined) throw new StartFailure('config_invalid', `${demand.folder} holds no set of credentials`)
  const files = manifest.files.map((entry) => {
    const place = join(demand.folder, entry.name)
    const context: FileContext = { demand, manifest, entry, ...openCreds(place) }
    pass(FILE_GUARDS, context, place)
    const { text, creds } = context.file ?? {}
    if (text === undefined || creds === undefined) throw new StartFailure('config_invalid', `${place} cannot be used`)
    return { entry, text, creds }
  })
  return { manifest, files }
}

/** Judges the folder alone, before anything is put into it. @throws CredsRefused */
export function judgeFolder(demand: CredsDemand): void {
  pass([credsFolder], { demand }, demand.folder)
}

interface Judging {
  found?: string
}

function pass<Context extends Judging>(
  guards: readonly { id: string; check: (context: Context) => Refusal | undefined | Promise<Refusal | undefined> }[],
  context: Context,
  place: string,
): void {
  for (const { id, check } of guards) {
    const refusal = check(context)
    if (refusal instanceof Promise) throw new Error(`${id} must be synchronous`)
    if (refusal !== undefined) throw new CredsRefused(id, refusal.reason, context.found ?? `${place} is refused`)
  }
}

/** The credentials of one user. */
export function credsFor({ files }: CredsSet, user: UserName): CredsOf {
  const found = files.find(({ entry }) => entry.user.name === user)
  if (found === undefined) throw new Error(`no credentials of ${user} were read`)
  return found
}
