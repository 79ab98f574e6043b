/** Major and minor number of `1.26.8`, `v1.26` or `go1.26.8`; undefined for anything else. */
function release(version: string): readonly [number, number] | undefined {
  const match = /^(?:v|go)?(\d+)\.(\d+)/.exec(version)
  return match === null ? undefined : [Number(match[1]), Number(match[2])]
}

/**
 * Whether a program that somebody else installed can stand in for the pinned one: it is of the pinned minor release,
 * or of a newer one. Patch releases are not compared: distributions backport fixes, and the wire format does not change in them.
 */
export function isAcceptable(version: string, pinned: string): boolean {
  const [found, wanted] = [release(version), release(pinned)]
  if (found === undefined || wanted === undefined) return false
  return found[0] > wanted[0] || (found[0] === wanted[0] && found[1] >= wanted[1])
}

/** `0.30.2` as `0.30`. */
export function minorRelease(version: string): string {
  return (release(version) ?? []).join('.')
}

/** The version, without its `v`, that stands beside a module: in `go.mod`, or in what Go tells of a program that it built. */
export function versionBeside(module: string, text: string): string | undefined {
  const pairs = [...text.matchAll(/(\S+)[ \t]+v(\S+)/g)]
  return pairs.find(([, name]) => name === module)?.[2]
}
