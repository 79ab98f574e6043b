import { readFile } from 'node:fs/promises'

/** The number of a user or group by its name, as this host's own files have it; what only a directory service knows is not found. */
export async function identityOf(kind: 'user' | 'group', name: string): Promise<number | undefined> {
  if (/^[0-9]{1,9}$/.test(name)) return Number(name)
  const lines = (await readFile(kind === 'user' ? '/etc/passwd' : '/etc/group', 'utf8')).split('\n')
  const [, , id] = lines.map((line) => line.split(':')).find(([own]) => own === name) ?? []
  return id === undefined ? undefined : Number(id)
}
