import { proofText } from './evidence-text.ts'
import type { Verdict } from './verdict.ts'

/** One call of a test as its verdict tells it: plain JSON, so that the command line hears of it. */
export interface ToldCall {
  readonly from: string
  readonly to: string
  readonly action: string
  readonly credential: string
  readonly verdict: Verdict['verdict']
  readonly layer: Verdict['layer']
  readonly status: number | null
  readonly error: string | null
  readonly reason: string | null
  readonly guard: string | null
  /** What it rests on, where that is less than a decision record: `status alone; effects not observed`. */
  readonly weakerProof?: string
  /** The accepted call that differs in one element only, and that element. */
  readonly control?: { readonly credential: string; readonly element: string; readonly accepted: boolean }
}

export function toldCall(call: Verdict): ToldCall {
  const { from, to, action, verdict, layer, status, error, reason, guard, control } = call
  return {
    ...{ from, to, action, credential: call.credential.label, verdict, layer, status, error, reason, guard },
    ...(call.shown && { weakerProof: proofText(call) }),
    ...(control && {
      control: { credential: control.credential, element: control.element, accepted: control.accepted },
    }),
  }
}
