import { HoldfastError } from '../errors.ts'
import type { PlanCredential } from '../topology/plan.ts'
import type { ActionVerification, Layer } from '../topology/verification.ts'
import type { CredentialKind } from './credential-kind.ts'
import type { LiveSite } from './live-site.ts'
import type { PartName, Presented, Summaries } from './parts.ts'

/**
 * What tests know of a credential kind beside what is declared: how one is made, spoiled and shown on a site that runs, and what a far
 * end must say of it.
 */
export interface LiveKind<Planned extends PlanCredential = PlanCredential, Summary = Summaries[PartName] & {}> {
  readonly part: PartName
  /** TLS carries its part, whatever is spoken over the connection. */
  readonly inHandshake?: true
  /** It is good for one call: whoever makes another needs another one. */
  readonly isGoodForOne?: true
  /** One more like it, by the hand-over that nodes use; beside what the test has of its companions, or what it is to fit instead. */
  fresh(planned: Planned, site: LiveSite, holder: string, beside?: Presented): Promise<Presented>
  /**
   * Another one in the place of one that will end. Where a kind has this, its part is a certificate that lies in no file of its holder:
   * who calls by hand gets one of his own, for as long as he needs it.
   */
  renewed?(before: Presented, planned: Planned, site: LiveSite, holder: string): Promise<Presented>
  /** What lies at a holder. */
  held(planned: Planned, site: LiveSite, holder: string): Promise<Presented>
  /** The same as an insider makes it who has a key beside that of its issuer: from this one others are forged. Answers its part. */
  signedByInsider?(fresh: Presented, planned: Planned, site: LiveSite): Promise<Presented>
  /** How each state but `fresh` is made. */
  readonly spoil: Readonly<Record<string, Spoiling<Planned>>>
  /** States that are ones for good: all that are needed are made first, and then this is done. */
  readonly forGood?: Readonly<Record<string, ForGood>>
  /** What may be shown of its part: never a secret. Undefined where it is not presented. */
  summary(presented: Presented): Summary | undefined
  /** What an accept must name as proven, by member of its principal. Undefined: this one has no such thing to name. */
  proves(summary: Summary): Readonly<Record<string, string | undefined>>
  /** For people: what was presented, or that nothing was. `shaken`: the handshake, where one was finished. */
  explanation(summary: Summary | undefined, shaken?: Shaken): string[]
  /** The same as named values: what differs between two calls is told by them. */
  facts?(summary: Summary): Readonly<Record<string, unknown>>
  /** The first place in which what was presented, and what was proven or is believed of it, differ. */
  mismatch?(call: JudgedCall): string | undefined
  /** What speaks against a refusal in what its record holds of the part: who is named must be proven by then, who is proven must be named. */
  refusalProblems?(call: JudgedCall, record: MadeRecord): string[]
  /** Whether it belongs to what is presented beside it, or there is none. */
  belongs?(credential: Summaries): boolean
  /** What no answer may name, by what it is called. */
  hints?(summary: Summary): Readonly<Record<string, string | undefined>>
  /** Whether what is presented is enough by itself there, whatever comes with it. */
  suffices?(presented: Presented, verification: ActionVerification): boolean
  /** Begins to count what a target asks its issuer about the part; undefined where nobody writes that down. */
  watch?(node: string, verification: ActionVerification, site: LiveSite): Promise<IssuerWatch | undefined>
}

/** Makes a state of one as it was issued, with all that it is presented with. Answers its part. */
export type Spoiling<Planned> = Spoiler<Planned>['make']
/** A method, so that each is of the credentials of its own kind alone. */
interface Spoiler<Planned> {
  make(fresh: Presented, planned: Planned, site: LiveSite): Promise<Presented>
}

/** What ends everything else of an issuer. */
export interface ForGood {
  end(issuer: string, site: LiveSite): Promise<void>
  /** What a target must have learned by then, once it saw a new one; and when at the latest. Undefined: it never learns. */
  readonly learned: string
  learnedWithinMs(verification: ActionVerification): number | undefined
}

/** Live kinds by name, in the order in which their parts are told: what others stand on comes first. */
export type LiveKinds = ReadonlyMap<string, LiveKind>

export async function liveKindsOf(kinds: readonly CredentialKind[]): Promise<LiveKinds> {
  return new Map(await Promise.all(kinds.map(async ({ name, live }) => [name, await live()] as const)))
}

/**
 * Those of them by which what is presented at a target is read: of several that are presented as the same part, the one that its action
 * takes, by what it says of how it judges; elsewhere the first.
 */
export function kindsTaken(live: LiveKinds, verification?: Pick<ActionVerification, 'takes'>): LiveKinds {
  const named = verification?.takes.flat() ?? []
  const rank = (name: string) => (named.includes(name) ? named.indexOf(name) : named.length)
  const inOrder = [...live].toSorted(([one], [other]) => rank(one) - rank(other))
  const taken = new Map(inOrder.toReversed().map(([name, { part }]) => [part, name]))
  return new Map([...live].filter(([name, { part }]) => taken.get(part) === name))
}

/** A call that was made, as far as a kind must know it to judge what is told of its part. */
export interface JudgedCall {
  readonly to: string
  readonly action: string
  readonly credential: Summaries
  /** Parts that had to be looked at: they were sent, and no other one is enough by itself, as the certificate of an operator is. */
  readonly judged: readonly PartName[]
  /** How the target judges callers of the action, where its kind says so. */
  readonly verification: ActionVerification | undefined
  /** What the far end proved. */
  readonly principal: Readonly<Record<string, string>>
  /** Absent where nobody writes down what an issuer is asked. */
  readonly asked?: Asked
  readonly control?: { readonly element: string }
  /** Absent where no handshake was finished. */
  readonly shaken?: Shaken
}

/** What a handshake came to, as far as our end has seen it. */
export interface Shaken {
  /** Whether the server asked for a certificate: without that none was presented, whatever the caller has. */
  readonly isCertificateAsked: boolean
}

/** How often a target asked its issuer about a part since the call began. */
export interface Asked {
  readonly issuer: string
  readonly times: number
}

/** Tells that of what was presented. */
export type IssuerWatch = (credential: Summaries) => Promise<Asked>

/** What a far end wrote down, as far as a kind looks at it. */
export interface MadeRecord {
  readonly action: string
  readonly conn: string
  readonly layer: Layer
  readonly guard: string | null
  readonly principal: Readonly<Record<string, string>>
}

/** A test needs another credential like one of which the user gave the files. Code `HOLDFAST_NO_OTHER`. */
export class NoOther extends HoldfastError {
  constructor(issuer: string) {
    super('HOLDFAST_NO_OTHER', `the key of ${issuer} is not ours`)
  }
}

/** The issuer would not make the credential that a test needs. Code `HOLDFAST_NOT_ISSUED`. */
export class NotIssued extends HoldfastError {
  constructor(credential: string, step: string, status: number | null, body: string) {
    super(
      'HOLDFAST_NOT_ISSUED',
      `credential ${credential}: to ${step} was answered with ${status}: ${body.slice(0, 300)}`,
    )
  }
}
