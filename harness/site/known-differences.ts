import { HoldfastError } from '../errors.ts'
import { acceptanceProblems, type ExpectedRefusal, refusalProblems } from './judge.ts'
import type { Verdict } from './verdict.ts'

/** Where a target is known to come out otherwise than the standard says. A test of it is green while that is so, and only then. */
export interface KnownDifference {
  /**
   * What comes instead: `accepted`, `401`, `401 insufficient_scope`, `at TLS`; where the steps of an attack demand something, what the
   * attacker gains, in their words: `works: a good caller is turned away`.
   */
  readonly comes: string
  /** The clause that it goes against, or what it means: `RFC 6750 section 3.1`. */
  readonly against: string
  /** The reason that the target shows then, where that is compared. Default: the one that was expected. */
  readonly reason?: string
  /** How the sentence begins that says whose fault it is, where several had a part in it. */
  readonly fault?: string
}

/** By target (`gateway resource:read`), then by the name of what is tried there: a cell as the matrix words it, or `GEN-28 good first`. */
export type KnownDifferences = Readonly<Record<string, Readonly<Record<string, KnownDifference>>>>

/** A difference is declared for something that is not tried: it would be believed in for ever. Code `HOLDFAST_DIFFERENCE_UNKNOWN`. */
export class DifferenceUnknown extends HoldfastError {
  constructor(unknown: readonly string[]) {
    super(
      'HOLDFAST_DIFFERENCE_UNKNOWN',
      `known differences of what is not tried here: ${unknown.join('; ')}; write them as the tests are named, or strike them`,
    )
  }
}

export interface Judged {
  readonly expected: string
  readonly problems: readonly string[]
  /** Of a refusal that is expected: for which reason. */
  readonly reason?: string
  /** The call that was accepted beside it, where its verdict does not name one. */
  readonly beside?: Verdict
  /** Whose fault it is where somebody is let in and several had a part in it. */
  readonly fault?: string
}

/** @throws DifferenceUnknown when a difference names something that is not among `tried` (`target`, `name`) */
export function demandTried(
  differences: KnownDifferences,
  tried: readonly { readonly target: string; readonly name: string }[],
): void {
  const known = new Set(tried.map(({ target, name }) => `${target}: ${name}`))
  const declared = Object.entries(differences).flatMap(([target, names]) =>
    Object.keys(names).map((name) => `${target}: ${name}`),
  )
  const unknown = declared.filter((one) => !known.has(one))
  if (unknown.length > 0) throw new DifferenceUnknown(unknown)
}

/**
 * Judges a call at a target that is known to differ: it must not be as the standard says, and it must be as the difference says, with
 * all else that is asserted of any refusal. `refusal`: what the standard wants, where that is a refusal.
 */
export function judgedAsDiffering(
  verdict: Verdict,
  standard: Judged,
  known: KnownDifference,
  refusal?: ExpectedRefusal,
): Judged {
  const { comes } = known
  const expected = `${comes}, as is known of it, instead of ${standard.expected}`
  if (standard.problems.length === 0) {
    return { expected, problems: ['it is as the standard says by now: strike it from the known differences'] }
  }
  if (comes === 'accepted') return { expected, problems: acceptanceProblems(verdict) }
  const { protocol, proof } = verdict
  const answer = comes === 'at TLS' ? { layer: 'tls' as const } : { layer: protocol.layer, ...protocol.read(comes) }
  const reason = known.reason ?? refusal?.reason ?? ''
  const differing = { ...answer, reason, withinMs: refusal?.withinMs, proof: refusal?.proof ?? proof }
  return { expected, problems: refusalProblems(verdict, differing) }
}

/** At the head of a difference that is no answer: behind it stands what the attacker gains. */
const works = 'works: '

/** Whether it is known what the attacker gains there, where the steps of an attack make demands of their own. */
export function isGain({ comes }: KnownDifference): boolean {
  return comes.startsWith(works)
}

/** Whether a failure of such steps says just that. */
export function isKnownGain(failure: unknown, { comes }: KnownDifference): boolean {
  if (!(failure instanceof HoldfastError) || failure.code !== 'HOLDFAST_ATTACK_WORKS') return false
  return failure.message.includes(comes.slice(works.length))
}

/** ` (known to differ: 401 invalid_request, against RFC 6750 section 3.1)`: for the name of a test. */
export function differenceText(known: KnownDifference | undefined): string {
  return known === undefined ? '' : ` (known to differ: ${known.comes}, against ${known.against})`
}
