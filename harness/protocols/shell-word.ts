/** A word of a command line for a POSIX shell; left bare where the shell reads it as one word anyway. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
