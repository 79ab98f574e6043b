/**
 * Whether patterns hold all of a subject, which may be a pattern itself: `*` stands for one token, `>` for one or more at the end. A broker
 * refuses a subscription to more than is allowed, and not only to what is not.
 */
export function allows(patterns: readonly string[], subject: string): boolean {
  return patterns.some((pattern) => holds(pattern.split('.'), subject.split('.')))
}

function holds([first, ...rest]: readonly string[], [token, ...more]: readonly string[]): boolean {
  if (first === undefined || token === undefined) return first === token
  if (first === '>') return true
  if (token === '>') return false
  return (first === '*' || first === token) && holds(rest, more)
}
