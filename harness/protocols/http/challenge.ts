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
  const reader = readerOf(text)
  while (!reader.atEnd()) {
    if (!reader.looksAt(param)) {
      const [scheme] = reader.take(token)
      challenges.push({ scheme, params: {} })
      // A scheme without parameters is followed by a comma or nothing.
      if (reader.maybe(spaces) === undefined || !reader.looksAt(param)) {
        reader.take(separator)
        continue
      }
    }
    const params = challenges.at(-1)?.params
    const [, name] = reader.take(param)
    const key = String(name).toLowerCase()
    if (params === undefined || Object.hasOwn(params, key)) reader.fail()
    else params[key] = reader.maybe(quoted)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? reader.take(token)[0]
    reader.take(separator)
  }
  return challenges
}

export function bearersIn(challenges: readonly Challenge[]): Challenge[] {
  return challenges.filter(({ scheme }) => scheme.toLowerCase() === 'bearer')
}

function readerOf(text: string) {
  let at = 0
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at
    return pattern.exec(text)
  }
  const maybe = (pattern: RegExp): RegExpExecArray | undefined => {
    const found = match(pattern)
    if (found === null) return undefined
    at += found[0].length
    return found
  }
  const fail = (): never => {
    throw new ChallengeMalformed(text, at)
  }
  return {
    maybe,
    fail,
    atEnd: () => at >= text.length,
    looksAt: (pattern: RegExp) => match(pattern) !== null,
    take: (pattern: RegExp): RegExpExecArray => maybe(pattern) ?? fail(),
  }
}
