import { readdirSync } from 'node:fs'
import type { Manifest, ManifestFile } from './manifest.ts'
import { USERS, type UserName } from './roles.ts'

/** What a folder with credentials must be: one that is handed over, or one that they were installed in. */
export interface CredsDemand {
  readonly folder: string
  /** Its owner. */
  readonly uid: number
  /** Absent: any, for it means nothing where nobody but the owner has rights. */
  readonly gid?: number
  /** Of each file: 0640 where a group takes it over, 0600 where it was installed. */
  readonly fileMode: number
  /** `manifest.json`, or `current.json`. */
  readonly manifestFile: string
  /** Whose credentials it holds, all of them and nobody else's. */
  readonly users: readonly UserName[]
  /** Files that may stand beside them. */
  readonly beside?: readonly string[]
  /** What is installed: nothing older takes its place, and nothing of another operator. */
  readonly installed?: Pick<Manifest, 'generation' | 'operator' | 'files'>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Somebody is writing it: a file of that name may stand there, and come and go. */
export const BEING_WRITTEN = /^\.tmp-/

/** Names of the credentials that a folder must hold. */
export function credsFiles({ users }: Pick<CredsDemand, 'users'>): string[] {
  return users.map((user) => USERS[user].creds)
}

/** The user whose credentials a file must be. */
export function userOf({ name }: Pick<ManifestFile, 'name'>): UserName | undefined {
  return (Object.keys(USERS) as UserName[]).find((user) => USERS[user].creds === name)
}

/** All entries of the folder. Undefined where they cannot be listed: nobody knows then what lies there. */
export function entriesOf(folder: string): string[] | undefined {
  try {
    return readdirSync(folder).sort()
  } catch {
    return undefined
  }
}

export function modeText(mode: number): string {
  return `0${(mode & 0o7777).toString(8)}`
}
