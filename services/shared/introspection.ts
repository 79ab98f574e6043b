import { type IssuerClient, jsonObjectOf } from './issuer-client.ts'

/** What the auth server says about a token (RFC 7662 section 2.2), or that it could not be asked. */
export type IntrospectionAnswer = Readonly<Record<string, unknown>> & { readonly active: unknown }

export interface Introspection {
  /**
   * Fails closed: anything but a JSON object with `active` is `unavailable`.
   * @param expiresAt when the token ends, in ms since 1970: no answer is kept beyond it.
   * @param isAnew whether an answer of a moment ago will not do.
   */
  ask(token: string, expiresAt: number | undefined, isAnew?: boolean): Promise<IntrospectionAnswer | 'unavailable'>
  /** Whether the endpoint is known, or could be found out, and answers. */
  ready(): Promise<boolean>
}

export interface IntrospectionOptions {
  client: Pick<IssuerClient, 'postForm'>
  /** Answers the endpoint's URL; rejects while it cannot be found out. */
  endpoint: () => Promise<string>
  clientId: string
  /** How long an answer is kept, in ms: 0 to 5 000. */
  cacheMs: number
  /** Milliseconds since 1970. Default: the system's clock. */
  now?: () => number
  /** Milliseconds on a clock that only goes forward, which bounds how long an answer is kept. Default: since the start of the process. */
  monotonic?: () => number
  onFailure?: (failure: unknown) => void
}

interface Kept {
  answer: IntrospectionAnswer
  /** On the monotonic clock. */
  until: number
  /** On the system's clock. */
  expiresAt: number
}

const MOST_KEPT = 10_000
/** What every auth server answers with `active: false`. */
const NO_TOKEN = 'none'

export function createIntrospection(options: IntrospectionOptions): Introspection {
  const now = options.now ?? Date.now
  const monotonic = options.monotonic ?? (() => performance.now())
  const kept = new Map<string, Kept>()
  let isFailing = false
  const holds = ({ until, expiresAt }: Kept): boolean => until > monotonic() && expiresAt > now()
  const fresh = async (token: string, expiresAt: number | undefined): Promise<IntrospectionAnswer | 'unavailable'> => {
    // Counted from the question: the answer may be older than its arrival.
    const askedAt = monotonic()
    try {
      const form = { token, client_id: options.clientId }
      const answer = jsonObjectOf(await options.client.postForm(await options.endpoint(), form))
      if (!Object.hasOwn(answer, 'active')) throw new Error('the answer has no member "active"')
      isFailing = false
      const found = {
        answer: answer as IntrospectionAnswer,
        until: askedAt + options.cacheMs,
        expiresAt: expiresAt ?? 0,
      }
      if (holds(found)) {
        if (kept.size >= MOST_KEPT) kept.clear()
        kept.set(token, found)
      }
      return found.answer
    } catch (failure) {
      isFailing = true
      options.onFailure?.(failure)
      return 'unavailable'
    }
  }
  return {
    async ask(token, expiresAt, isAnew = false) {
      const known = kept.get(token)
      if (!isAnew && known !== undefined && holds(known)) return known.answer
      kept.delete(token)
      return fresh(token, expiresAt)
    },
    async ready() {
      // Nobody may call while it is not ready, so it must find out by itself that the auth server is back.
      if (isFailing) return (await fresh(NO_TOKEN, undefined)) !== 'unavailable'
      return options.endpoint().then(
        () => true,
        () => false,
      )
    },
  }
}
