import { readPrivateFile } from '../../shared/private-file.ts'
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
  const text = readPrivateFile(file, `${file}, the file of ${key},`).trim()
  if (text === '') throw new StartFailure('config_invalid', `${file}, the file of ${key}, is empty; put it there`)
  return text
}
