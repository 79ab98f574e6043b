/** Number of each part of `1.26.8`, `v1.26` or `go1.26.8`; undefined for anything else. */
function parts(version: string): readonly number[] | undefined {
  const match = /^(?:v|go)?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version)
  return match?.slice(1).map((part) => Number(part ?? 0))
}

/**
 * Whether a program that somebody else installed can stand in for the pinned one: it is of the pinned minor release,
 * or of a newer one. Patch releases are not compared: distributions backport fixes, and the wire format does not change in them.
 */
export function isAcceptable(version: string, pinned: string): boolean {
  const [found, wanted] = [parts(version), parts(pinned)]
  if (found === undefined || wanted === undefined) return false
  const [major = 0, minor = 0] = found
  const [wantedMajor = 0, wantedMinor = 0] = wanted
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

/** `0.30.2` as `0.30`. */
export function minorRelease(version: string): string {
  return (parts(version) ?? []).slice(0, 2).join('.')
}
