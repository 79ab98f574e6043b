import { type GivenFile, systemRoots } from '../pki/given.ts'
import type { UnitContext } from '../topology/kind.ts'

/** A file of the user's, with the setting of a unit that names it: `root.cert`. */
export function givenFile({ node, unit }: UnitContext<unknown>, setting: string, path: string): GivenFile {
  return { path, setting: `nodes.${node}.units.${unit}.settings.${setting}` }
}

/** Path of a file with roots, or `system` as it is. */
export function rootsPath({ resolve }: UnitContext<unknown>, path: string): string {
  return path === systemRoots ? path : resolve(path)
}
