import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CredsDemand } from '../../shared/nats/creds-demand.ts'
import { CredsRefused, type CredsSet, judgeFolder, readCredsSet } from '../../shared/nats/creds-set.ts'
import { type Current, currentSchema, MANIFEST_FILE } from '../../shared/nats/manifest.ts'
import { jsonOf, openPlain } from '../../shared/nats/plain-file.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import { isSystems, wayOutOfWrite } from '../../shared/system-failure.ts'
import { watchFolder } from '../../shared/watch-folder.ts'
import { credsHandover } from '../guards/creds-handover.ts'
import { installSet } from './install.ts'

export interface IntakeOptions {
  /** What the folder must be that they are handed over in. */
  readonly handover: Omit<CredsDemand, 'installed'>
  /** What the folder must be that they are installed in. */
  readonly installed: Omit<CredsDemand, 'installed'>
  readonly timeoutSeconds: number
  readonly clock?: IntakeClock
}

export interface IntakeClock {
  /** Milliseconds on a clock that only goes forward. */
  now(): number
  /** Until something happens in the folder, at most so long. */
  change(folder: string, withinMs: number): Promise<void>
}

const POLL_MS = 250

/**
 * Waits for credentials, judges them, and installs them. A set that is replaced while it is judged is judged anew; one that is installed
 * already is left alone.
 *
 * @throws CredsRefused
 */
export async function takeOver(options: IntakeOptions): Promise<{ set: CredsSet; isNew: boolean }> {
  const { handover, timeoutSeconds, clock = realClock } = options
  const deadline = clock.now() + timeoutSeconds * 1000
  for (;;) {
    const manifest = await manifestOf(handover.folder, deadline, clock)
    if (manifest === undefined) nothingCame(options)
    const before = installedBefore(options)
    try {
      const set = readCredsSet({ ...handover, installed: before })
      const isNew = before === undefined || !isWhole(options, set)
      if (isNew) install(options, set)
      if (seenIn(handover.folder) === manifest) return { set, isNew }
    } catch (failure) {
      const isReplaced = seenIn(handover.folder) !== manifest
      if (!(failure instanceof CredsRefused) || !isReplaced || clock.now() >= deadline) throw failure
    }
  }
}

/** @throws CredsRefused */
function nothingCame({ handover: { folder }, timeoutSeconds }: IntakeOptions): void {
  const refusal = credsHandover.check({ hasCome: false })
  if (refusal instanceof Promise) throw new Error(`${credsHandover.id} must be synchronous`)
  if (refusal === undefined) return
  const found = `${join(folder, MANIFEST_FILE)} did not come within ${timeoutSeconds} s`
  throw new CredsRefused(
    credsHandover.id,
    refusal.reason,
    `${found}; see why the host of the broker hands over nothing`,
  )
}

function install({ installed, handover }: IntakeOptions, set: CredsSet): void {
  try {
    mkdirSync(installed.folder, { recursive: true, mode: 0o700 })
    judgeFolder(installed)
    installSet(installed.folder, set, handover.now)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (!isSystems(code)) throw cause
    const found = `nothing can be installed in ${installed.folder} (${code}): ${wayOutOfWrite(code)}, and start this again`
    throw new StartFailure('storage_unavailable', `${found}; what was installed before is still good`, { cause })
  }
}

/** What stands as the manifest, as soon as something does; undefined when nothing came in time. */
async function manifestOf(folder: string, deadline: number, clock: IntakeClock): Promise<string | undefined> {
  for (;;) {
    const seen = seenIn(folder)
    const left = deadline - clock.now()
    if (seen !== undefined || left <= 0) return seen
    await clock.change(folder, Math.min(POLL_MS, left))
  }
}

/** Whether it is another manifest than before. What can never be one is for the guards to refuse, and not waited for. */
function seenIn(folder: string): string | undefined {
  const { file, problem } = openPlain(join(folder, MANIFEST_FILE))
  if (file !== undefined) return file.text ?? 'no plain file'
  return problem === 'ELOOP' || problem === 'EACCES' ? problem : undefined
}

/**
 * What says which set is installed, and pins what may follow it. Only where nothing says so is this the first one: what cannot be read
 * could pin another operator, or a newer generation.
 *
 * @throws CredsRefused
 */
function installedBefore({ installed }: IntakeOptions): Current | undefined {
  const place = join(installed.folder, installed.manifestFile)
  const { file, problem } = openPlain(place)
  if (problem === 'ENOENT') return undefined
  const current = currentSchema.safeParse(jsonOf(file?.text ?? ''))
  if (current.success) return current.data
  const version = current.error.issues.find(({ path }) => path[0] === 'version')
  const mistake = problem ?? (version === undefined ? 'it is damaged' : `version: ${version.message}`)
  const found = `${place} does not say what is installed (${mistake}), and so not what may follow`
  throw new CredsRefused('creds.manifest', 'manifest_invalid', `${found}; see whose set is handed over, then remove it`)
}

/** Whether the very files of this set are installed, as they must be. */
function isWhole({ installed }: IntakeOptions, { manifest, files }: CredsSet): boolean {
  try {
    const found = readCredsSet(installed)
    const textOfFile = new Map(found.files.map(({ entry, text }) => [entry.name, text]))
    return (
      found.manifest.generation === manifest.generation &&
      files.every(({ entry, text }) => textOfFile.get(entry.name) === text)
    )
  } catch {
    return false
  }
}

const realClock: IntakeClock = {
  now: () => performance.now(),
  change: (folder, withinMs) =>
    new Promise((resolve) => {
      const watcher = watchFolder(folder, () => end())
      const timer = setTimeout(() => end(), withinMs)
      const end = (): void => {
        clearTimeout(timer)
        watcher?.close()
        resolve()
      }
    }),
}
