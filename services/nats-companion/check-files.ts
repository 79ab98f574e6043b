import { stat } from 'node:fs/promises'
import { StartFailure } from '../shared/start-failure.ts'

/** A broker must not start on half of what its keys were made with. Throws `StartFailure` that names each file and its maker. */
export async function checkFiles(files: readonly string[]): Promise<void> {
  const wrong = (await Promise.all(files.map(problemOf))).filter((problem) => problem !== undefined)
  if (wrong.length === 0) return
  throw new StartFailure(
    'broker_file_missing',
    `${wrong.join('; ')}; run the unit that makes the keys of the broker first`,
  )
}

async function problemOf(file: string): Promise<string | undefined> {
  const found = await stat(file).catch((failure: NodeJS.ErrnoException) => failure)
  if (found instanceof Error)
    return found.code === 'ENOENT' ? `${file} is missing` : `${file} cannot be read (${found.code})`
  if (!found.isFile()) return `${file} is no file`
  return found.size === 0 ? `${file} is empty` : undefined
}
