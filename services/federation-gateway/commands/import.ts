import { readFile } from 'node:fs/promises'
import { SetupError } from '../../shared/setup-error.ts'
import type { Configuration } from '../config.ts'
import { countOf, importSeed } from '../storage/import.ts'
import { type Seed, seedSchema } from '../storage/seed.ts'
import { longJob } from './long-job.ts'
import { asOwner } from './owner.ts'

/** Answers how many rows are new. */
export async function runImport(configuration: Configuration, file: string): Promise<{ readonly stored: number }> {
  const seed = await readSeed(file)
  const total = countOf(seed)
  return asOwner(configuration, (database) =>
    longJob({ name: 'import', unit: 'rows', total }, (done) =>
      importSeed(database, seed, (progress) => done(progress.done)),
    ),
  )
}

/** Its rows may be anything but for others to read: what is wrong is told by place alone. */
async function readSeed(file: string): Promise<Seed> {
  const unusable = (what: string) => new SetupError('seed_unusable', `${file} ${what}`)
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw unusable(`cannot be read (${cause.code}); name a JSON file`)
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unusable('is not JSON; correct it')
  }
  const read = seedSchema.safeParse(value)
  if (read.success) return read.data
  const mistakes = read.error.issues.map(({ path, message }) => `${path.join('.') || 'the top level'}: ${message}`)
  throw unusable(`is no seed: ${mistakes.slice(0, 10).join('; ')}`)
}
