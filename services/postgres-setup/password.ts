import { readFile, stat } from 'node:fs/promises'
import { StartFailure } from '../shared/start-failure.ts'

/** Throws `StartFailure`, never with what stands in the file. */
export async function readPassword(file: string): Promise<string> {
  const unusable = (what: string) => new StartFailure('password_file', `${file} ${what}`)
  const [status, text] = await Promise.all([stat(file), readFile(file, 'utf8')]).catch((cause) => {
    throw unusable(
      `cannot be read (${(cause as NodeJS.ErrnoException).code}); name a file with the password of the owner`,
    )
  })
  if ((status.mode & 0o077) !== 0) throw unusable('can be read by others; give it mode 0600')
  const password = text.replace(/\r?\n$/, '')
  if (/^[\x21-\x7e]{16,}$/.test(password)) return password
  throw unusable('must hold one password of 16 printable ASCII characters or more, without blanks')
}
