import type { HeaderLines } from '../protocols/http/exchange.ts'
import { acceptanceProblems } from './judge.ts'
import type { Control, Verdict } from './verdict.ts'

/** The elements of a call that an attack can change. Texts of secrets stay in memory: nothing of this is written anywhere. */
export interface CallShape {
  readonly from: string
  readonly to: string
  readonly action: string
  readonly certificate: string
  readonly token: string
  /** Whether there is no token, or one that is bound to this very certificate. */
  readonly bound: boolean
  /** Whether the token was sent as the action carries it. */
  readonly carried: boolean
  readonly headers: HeaderLines
  readonly listener: string
  readonly path: string
  readonly method: string
  readonly body: string
  /** What differs below: handshake, bytes, what went first over the connection. Calls of the same text do the same. */
  readonly wire: string
}

const attacked = ['certificate', 'token', 'headers', 'listener', 'path', 'method', 'body', 'wire'] as const

/** All calls of one test, oldest first: where a refusal finds its positive control, and failures their evidence. */
export class Ledger {
  readonly #calls: { shape: CallShape; verdict: Verdict }[] = []

  get verdicts(): readonly Verdict[] {
    return this.#calls.map(({ verdict }) => verdict)
  }

  record(shape: CallShape, verdict: Verdict): void {
    this.#calls.push({ shape, verdict })
  }

  /** The newest accepted call of this test that differs from `shape` in one element at most. */
  controlOf(shape: CallShape): Control | undefined {
    for (const { shape: other, verdict } of this.#calls.toReversed()) {
      const [element, ...more] = differing(shape, other)
      if (more.length > 0 || verdict.verdict !== 'accepted') continue
      // The very same call was accepted before: what was attacked since is the state of the site.
      return controlFrom(verdict, element ?? 'state')
    }
    return undefined
  }
}

/** A call taken as positive control for another one. */
export function controlFrom(verdict: Verdict, element: string): Control {
  const problems = acceptanceProblems(verdict)
  return { accepted: problems.length === 0, element, credential: verdict.credential.label, problems }
}

function differing(one: CallShape, other: CallShape): string[] {
  if (one.from !== other.from || one.to !== other.to || one.action !== other.action) return ['caller', 'target']
  const elements = attacked.filter((element) => JSON.stringify(one[element]) !== JSON.stringify(other[element]))
  // A token over the certificate that it is bound to is one thing: somebody else's whole credential.
  const isWhole = elements.length === 2 && elements[0] === 'certificate' && elements[1] === 'token'
  return isWhole && one.bound && other.bound ? ['credential'] : elements
}
