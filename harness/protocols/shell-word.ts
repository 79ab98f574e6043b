/** A word of a command line for a POSIX shell; left bare where the shell reads it as one word anyway. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

/** A command line that a shell runs elsewhere, where `enter` leads: what it reads of files, it reads there. */
export function enteringShell(enter: readonly string[], command: string): string {
  return enter.length === 0 ? command : [...enter, 'sh', '-c', command].map(shellWord).join(' ')
}
