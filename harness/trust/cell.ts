import type { CheckedKind } from '../credentials/checks.ts'
import type { PartName } from '../credentials/parts.ts'
import { holderOf } from '../topology/holders.ts'
import { callerWithin, networkOf } from '../topology/networks.ts'
import type { Plan } from '../topology/plan.ts'
import type { Refusal } from '../topology/verification.ts'

/** One call that somebody could try: who presents what, where, for which action; and what must come of it. */
export interface Cell {
  target: string
  action: string
  /** What is presented, in words: `peer-b-to-a, revoked, over cert-node-b`. */
  name: string
  /** By part: a credential of the plan, and what was done to it. */
  presents: Readonly<Partial<Record<PartName, { credential: string; state: string }>>>
  /** How else than usual the call is made. */
  way?: string
  expected: ExpectedVerdict
  /** Every check that would refuse it, in the order of the target: the first one decides. Empty when it is accepted. */
  fails: string[]
}

export type ExpectedVerdict =
  | { verdict: 'accepted'; because: AcceptedBecause; as?: string }
  | ({ verdict: 'refused' } & Refusal)

/**
 * `accepts`: the topology says so. `settled`: a check did, by which one is let in `as` an operator, say. All else is why nobody finds
 * fault with what is spoiled: `its issuer is not asked`.
 */
export type AcceptedBecause = 'accepts' | 'settled' | (string & {})

/** The node that makes the call: the holder of what is presented, of the first where that is put together; somebody else where that one is out of reach. */
export function cellCaller({ presents, target, action }: Cell, plan: Plan): string {
  const [first] = Object.values(presents)
  const holder = first === undefined ? target : holderOf(plan.credentials[first.credential]!)
  const node = plan.nodes[target]!
  const offering = node.units.find(({ actions }) => actions?.[action] !== undefined)
  const listener = offering?.service?.listeners.find(({ name }) => name === offering.actions![action]!.listener)
  return callerWithin(plan, holder, { node: target, network: networkOf(node, listener ?? {}) })
}

/** Why a cell must be tried last, in words; undefined where nothing ends with it. */
export function cellEnds({ presents }: Cell, kinds: readonly CheckedKind[]): string | undefined {
  const states = kinds.map((kind) => kind.states[presents[kind.part]?.state ?? ''])
  return states.find((state) => state?.forGood !== undefined)?.forGood
}

/** `refused 401 invalid_token, reason token_inactive (token.active)`. */
export function cellText(expected: ExpectedVerdict): string {
  if (expected.verdict === 'refused') {
    return `refused ${answerText(expected)}, reason ${expected.reason} (${expected.guard})`
  }
  const { because, as } = expected
  if (because === 'accepts') return 'accepted'
  return because === 'settled' ? `accepted as ${as}` : `accepted, for ${because}`
}

/** `401 invalid_token`; `at TLS` where the connection ends there. */
export function answerText(refusal: Refusal): string {
  const { layer, status, error } = refusal
  return isEnd(refusal) ? `at ${layer.toUpperCase()}` : [status, error].filter((part) => part !== null).join(' ')
}

/** Whether the connection ends with it: nothing is read any more, and nothing answered. */
export function isEnd({ status, error }: Refusal): boolean {
  return status === null && error === null
}
