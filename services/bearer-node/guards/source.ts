import { guard } from '../../shared/guard.ts'
import { TOKEN_FILE_VARIABLE, TOKEN_VARIABLE } from '../settings.ts'
import type { TokenSource } from '../token/source.ts'
import { isToken, TOKEN_FORM } from '../token/token-text.ts'
import { type Judged, mistaken } from './refused-start.ts'

/** The source that decides, or none. */
interface Sourced extends Judged {
  readonly source: TokenSource | undefined
  readonly isRequired: boolean
}

export const bearerSource = guard<Sourced>(
  'bearer.source',
  ['alias_conflict', 'source_empty', 'token_malformed', 'token_required'],
  (sourced) => {
    const { source, isRequired } = sourced
    if (source === undefined) {
      if (!isRequired) return undefined
      return mistaken(
        sourced,
        'token_required',
        `--require-auth is set, but no token was given by --auth-token, ${TOKEN_VARIABLE} or ${TOKEN_FILE_VARIABLE}`,
      )
    }
    const { kind, name, text, isTorn } = source
    if (isTorn) {
      return mistaken(sourced, 'alias_conflict', `${name} are one source and have two values; leave one of them out`)
    }
    if (text.trim() === '') {
      const what = kind === 'file' ? 'the path of a token file' : 'a token'
      return mistaken(sourced, 'source_empty', `${name} is given, and empty; give it ${what}, or take it away`)
    }
    if (kind === 'file' || isToken(text)) return undefined
    return mistaken(sourced, 'token_malformed', `${name} holds no token: it has to be ${TOKEN_FORM}`)
  },
)
