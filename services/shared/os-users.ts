import { readFileSync } from 'node:fs'
import { StartFailure } from './start-failure.ts'

/** Number of a user of the operating system; our own where none is named. Throws `StartFailure`. */
export function userId(name: string | undefined): number {
  return name === undefined ? ownId() : idIn('/etc/passwd', name, 'user')
}

/** Number of a group. Throws `StartFailure`. */
export function groupId(name: string): number {
  return idIn('/etc/group', name, 'group')
}

function ownId(): number {
  const id = process.getuid?.()
  if (id === undefined) throw new StartFailure('config_invalid', 'this system has no users that files belong to')
  return id
}

/** Both files are tables of NAME:PASSWORD:NUMBER, one row for each; a number stands for itself. */
function idIn(file: string, name: string, what: string): number {
  if (/^\d{1,9}$/.test(name)) return Number(name)
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .map((row) => row.split(':'))
  const id = rows.find(([found]) => found === name)?.[2]
  if (id === undefined) {
    throw new StartFailure('config_invalid', `${file} has no ${what} "${name}"; name one that this system has`)
  }
  return Number(id)
}
