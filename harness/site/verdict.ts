import type { JudgedCall, LiveKinds, Shaken } from '../credentials/live-kind.ts'
import type { Presented, Summaries } from '../credentials/parts.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import type { Answer, AnyProtocol } from '../protocols/spoken.ts'
import type { PlacedHop } from '../topology/hops.ts'
import type { Proof } from '../topology/proof.ts'
import type { Shown } from './shown.ts'

/**
 * What became of one call: what the caller saw, joined with what the far end wrote down about the same connection. What the answer
 * tells can be read of the verdict, too.
 */
export type Verdict = Answer & JoinedCall

interface JoinedCall extends JudgedCall {
  readonly answer: Answer
  readonly protocol: AnyProtocol
  readonly from: string
  readonly credential: CredentialSummary
  /** The kinds of what can be presented: they know how to read it. */
  readonly live: LiveKinds
  readonly accepts: readonly { readonly credential: string; readonly caller: string }[]
  /** `accepted` only where caller and far end say so. */
  readonly verdict: 'accepted' | 'refused'
  /** Where it was decided, as the far end says; without its record, as far as the caller came. */
  readonly layer: DecisionRecord['layer']
  /** What it rests on: the far end's own record, or something weaker that a foreign target shows. */
  readonly proof: Proof
  /** What a target without decision records showed instead; absent where it writes them. */
  readonly shown?: Shown
  readonly promised: boolean
  /** The action of the accept that the protocol has before a refusal over the same connection: its login. */
  readonly letInBy?: string
  readonly reason: string | null
  readonly guard: string | null
  /** What it came through, where it did not go to the target itself. */
  readonly hop?: PlacedHop | undefined
  /** The far end's record of this connection, and all of them. */
  readonly decision: DecisionRecord | undefined
  readonly decisions: readonly DecisionRecord[]
  /** Request and answer as they stood on the wire, where the protocol has texts. They hold secrets: for pages, which are redacted. */
  readonly sent?: string
  readonly came?: string
  /** Absent where no handshake was finished. */
  readonly shaken?: Shaken
  /** What the target printed since the call began. */
  log(): readonly string[]
  /** `address:port` of our end. */
  readonly conn: string
  /** From the first byte to the answer. */
  readonly ms: number
  /** How many times as long as elsewhere that may take, where nodes are so slow. */
  readonly slowness?: number | undefined
  readonly waitedMs: number
  /** The call that differs in one element only and was accepted, or why there is none. */
  readonly control?: Control
  readonly effects: Effects
  /** Secrets that the target wrote down since the call began; named, never shown. */
  readonly leaks: readonly string[]
  /** The same of the answer: what of the presented token came back. */
  readonly answerLeaks: readonly string[]
  /** Where evidence of this test is kept, and what to type to run it again. */
  readonly evidence: string
  readonly again: string
}

/** A positive control, or what came instead of one. */
export interface Control {
  readonly accepted: boolean
  /** The one element in which it differs. */
  readonly element: string
  readonly credential: string
  readonly problems: readonly string[]
  readonly call?: Verdict
}

export interface Effects {
  /** Whether the target was looked at before and after; that of an accepted call is not. */
  readonly observed: boolean
  readonly difference?: string
  /** Why it could not be observed: nobody knows then whether anything changed. */
  readonly failure?: string
  /** That there is nothing to look at: `kind X has no observation`. */
  readonly unobservable?: string
}

/** Everything about a presented credential that may be shown: never a key, never the text of a token. */
export interface CredentialSummary extends Summaries {
  readonly label: string
}

export function summaryOf(label: string, presented: Presented, live: LiveKinds): CredentialSummary {
  const parts = [...live.values()].map((kind) => [kind.part, kind.summary(presented)])
  return { label, ...Object.fromEntries(parts) }
}
