/** One challenge of `WWW-Authenticate` (RFC 9110 section 11.6.1): a scheme with its auth-params, names in lower case. */
export interface Challenge {
  readonly scheme: string
  readonly params: Readonly<Record<string, string>>
}

/** The header's text is not a list of challenges as RFC 9110 section 11.2 writes them. */
export class ChallengeMalformed extends SyntaxError {
  constructor(text: string, at: number) {
    super(`WWW-Authenticate is malformed at character ${at + 1}: ${text}`)
    this.name = 'ChallengeMalformed'
  }
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const quoted = /"((?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t -~\x80-\xff])*)"/y
const param = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*/y
const separator = /[ \t]*(?:,[ \t]*)+|[ \t]*$/y
const spaces = / +/y

/**
 * Reads `WWW-Authenticate` strictly: what is malformed, named twice, or not separated is an error, never guessed.
 * A token68 form (Negotiate and the like) is not read: no service of ours sends one.
 */
export function readChallenges(text: string): Challenge[] {
  const challenges: { scheme: string; params: Record<string, string> }[] = []
  let at = 0
  const find = (pattern: RegExp) => {
    pattern.lastIndex = at
    return pattern.exec(text)
  }
  const maybe = (pattern: RegExp) => {
    const found = find(pattern)
    at += found?.[0].length ?? 0
    return found
  }
  const take = (pattern: RegExp) => {
    const found = maybe(pattern)
    if (found === null) throw new ChallengeMalformed(text, at)
    return found
  }
  while (at < text.length) {
    if (find(param) === null) {
      challenges.push({ scheme: take(token)[0], params: {} })
      // A scheme without parameters is followed by a comma or nothing.
      if (maybe(spaces) === null || find(param) === null) {
        take(separator)
        continue
      }
    }
    const params = challenges.at(-1)?.params
    const key = String(take(param)[1]).toLowerCase()
    if (params === undefined || Object.hasOwn(params, key)) throw new ChallengeMalformed(text, at)
    params[key] = maybe(quoted)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? take(token)[0]
    take(separator)
  }
  return challenges
}

export function bearersIn(challenges: readonly Challenge[]): Challenge[] {
  return challenges.filter(({ scheme }) => scheme.toLowerCase() === 'bearer')
}
