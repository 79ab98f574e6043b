import { challengeOf } from '../../shared/bearer.ts'
import type { Refusal as Refused } from '../../shared/guard.ts'
import { allowed } from '../../shared/http-method.ts'
import type { RefusalAnswer } from './route.ts'

const REALM = 'holdfast'
/** Guards that judge a token: their answers say by which scheme one is presented (RFC 6750 section 3). */
const ABOUT_TOKENS = ['bearer.carrier', 'bearer.access', 'bearer.token', 'bearer.session']

/** What a caller gets that a guard of the listener refused: status and code, never the reason. */
export function refusalAnswer(guard: string, refusal: Refused): RefusalAnswer {
  const { status, error, retryAfter, allow } = refusal
  const challenge = ABOUT_TOKENS.includes(guard) ? challengeOf(REALM, refusal) : undefined
  return {
    status: status ?? 500,
    body: { error: error ?? 'unauthorized' },
    headers: {
      ...(challenge !== undefined && { 'www-authenticate': challenge }),
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
      ...(allow !== undefined && { allow: allowed(allow) }),
    },
  }
}
