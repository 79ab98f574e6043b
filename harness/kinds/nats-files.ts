import type { Template } from '../topology/plan.ts'

// What kinds of units on the host of a broker have in common: where the one that makes its keys leaves them.

/** Folder in which a unit of a node leaves what it made of operator, accounts and users. */
export function setupFolder(unit: string): Template {
  return `@{dir}/units/${unit}/state`
}

/** The same as seen from the folder of another unit: a broker's configuration includes files by such a path alone. */
export function setupFolderBeside(unit: string): string {
  return `../${unit}/state`
}

/** Folder in which a broker keeps the claims of accounts. */
export function resolverFolder(unit: string): Template {
  return `@{dir}/units/${unit}/jwt`
}

export const operatorFile = (operator: string) => `${operator}.jwt`
export const resolverFile = 'main-resolver.conf'
/** Written last: there is no setup without it. */
export const setupFile = 'setup.json'
