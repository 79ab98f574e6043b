import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { StartFailure } from '../../shared/start-failure.ts'

/** A secret as it is configured: itself, or the file that holds it. `key` names the first, for messages. */
export interface SecretSetting {
  readonly key: string
  readonly value: string | undefined
  readonly file: string | undefined
}

/** Reads it; undefined where there is neither. @throws StartFailure (`config_invalid`), without a word of it */
export function secretText({ key, value, file }: SecretSetting): string | undefined {
  if (file === undefined) return value
  if (value !== undefined) {
    throw new StartFailure('config_invalid', `${key} and its file ${file} are both given; leave one of them out`)
  }
  const handle = openSecret(key, file)
  try {
    if ((fstatSync(handle).mode & 0o077) !== 0) {
      throw new StartFailure('config_invalid', `${file}, the file of ${key}, can be read by others; make it 0600`)
    }
    const text = readFileSync(handle, 'utf8').trim()
    if (text === '') throw new StartFailure('config_invalid', `${file}, the file of ${key}, is empty; put it there`)
    return text
  } finally {
    closeSync(handle)
  }
}

function openSecret(key: string, file: string): number {
  try {
    return openSync(file, 'r')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartFailure(
      'config_invalid',
      `${file}, the file of ${key}, cannot be read (${code}); name a readable file`,
    )
  }
}
