import type { Verdict } from '../../site/verdict.ts'
import type { Lab } from '../lab.ts'
import { type Expectation, either, type Outcome, type RefusalExpected } from '../outcome.ts'
import type { Trial } from '../scope.ts'

/** What only an answer of the issuer can tell of a token. */
const askedFor = ['token_inactive', 'introspection_mismatch']
/** What an answer may tell: it might have a key that is not known yet. */
const maybeAskedFor = ['kid_unknown']

/**
 * While the issuer of the target is away: a forged token of every kind that the catalogue tries there. What is wrong by itself is
 * refused for its own reason, since local checks come first; the rest `unavailable`; nothing is accepted.
 */
export async function forgedInEveryWay(lab: Lab, unavailable: Outcome): Promise<void> {
  const kinds = forgeries(lab)
  lab.demand(kinds.length > 0, 'no forged token is known to be refused there')
  for (const { variant } of kinds) {
    const verdict = (await variant.attack(lab)) as Verdict
    lab.judge(verdict, whileAway(lab, variant.expect, unavailable))
  }
}

/** One forgery of each case and reason: those that differ in their texts only come out by the same check. */
function forgeries(lab: Lab): readonly Trial[] {
  return lab.scopes.flatMap(({ attack, trials }) => {
    const forging = trials.filter(({ variant }) => variant.isForgery && variant.expect.every(isInvalidToken))
    if (attack.stage !== undefined) return []
    const alike = Map.groupBy(forging, ({ variant }) => reasonsOf(variant.expect).join())
    return [...alike.values()].map(([first]) => first!)
  })
}

function isInvalidToken(one: Expectation): one is RefusalExpected {
  return one.is === 'refused' && ['A1', 'A3'].includes(one.code)
}

function reasonsOf(outcome: Outcome): readonly string[] {
  return outcome.filter((one) => one.is === 'refused').flatMap(({ reasons }) => reasons)
}

function whileAway(lab: Lab, outcome: Outcome, unavailable: Outcome): Outcome {
  const reasons = reasonsOf(outcome)
  if (reasons.every((reason) => askedFor.includes(reason))) return unavailable
  // Who asks in place of a signature knows nothing more of a token without an answer.
  const isLocal = lab.planned.verification?.checks.some(({ check }) => check === 'bound-token/signature')
  return isLocal && !reasons.some((reason) => [...askedFor, ...maybeAskedFor].includes(reason))
    ? outcome
    : either(outcome, unavailable)
}
