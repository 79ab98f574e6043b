import { readFile, stat } from 'node:fs/promises'
import { PasswordWeak } from './failures.ts'

const FEWEST_CHARACTERS = 16

/** The password of the keys, without the end of its line, as step reads it. @throws PasswordWeak */
export async function passwordIn(file: string): Promise<string> {
  const { mode } = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new PasswordWeak(file, `cannot be read (${cause.code}); write a password there, mode 0600`)
  })
  if ((mode & 0o077) !== 0)
    throw new PasswordWeak(file, 'can be read by others; give it mode 0600, and another password')
  const password = (await readFile(file, 'utf8')).trimEnd()
  if (password.length >= FEWEST_CHARACTERS) return password
  throw new PasswordWeak(file, `holds ${password.length} characters; write ${FEWEST_CHARACTERS} or more`)
}
