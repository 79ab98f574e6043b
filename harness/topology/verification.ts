/** Where a refusal is made, as decision records name it. */
export type Layer = 'start-up' | 'tls' | 'http' | 'session' | 'broker'

/**
 * How a unit judges the callers of an action, as data: what they present, and its checks in the order in which it makes them. A kind
 * that declares it lets the harness derive what must be refused, and for which reason, without starting anything.
 */
export interface ActionVerification {
  /** Credential kinds that are presented together, the one first that all others stand on; alternatives beside each other. */
  takes: readonly (readonly string[])[]
  /** The first check that does not pass decides. */
  checks: readonly PlannedCheck[]
  /**
   * Ids of all guards of the action in the order in which they judge, those of `checks` among them. Records are then held to it: a
   * refusal names the token once it was proven and not before, and nobody asks the issuer about a token that is refused without.
   */
  guards?: readonly string[]
  /** The issuer is asked again about those who were let in, for longer than they stay: how often it was asked tells nothing then. */
  asksAgain?: true
  /** What records call it, where that is not its name: the steps that they tell of one by one. */
  recordedAs?: readonly string[]
  /** Another action of the unit, which goes first over the same connection: what fails there already is tried there alone. */
  after?: string
  /** The header field in which each part travels that is a text, where a proxy could take it away: `{ secret: 'Authorization' }`. */
  fields?: Readonly<Record<string, string>>
  /** Reasons that are written down for what comes through a proxy which is known as such, in the place of others. */
  behind?: Readonly<Record<string, string>>
  /** How else the action can be called, by name (`in a cookie`, `through edge`): everything is tried by each of them, too. */
  ways?: Readonly<Record<string, Way>>
}

/** One check, with what it compares with. Whoever passes one that settles is let in, and none after it is made; nobody is refused by it. */
export type PlannedCheck = MadeCheck & (({ settles?: undefined } & Refusal) | { settles: true })

interface MadeCheck {
  /** The credential kind that makes it, and its name there: `bound-token/audience`. */
  check: string
  args?: Readonly<Record<string, unknown>>
  /** A check before it: this one is made only where that one passes. */
  when?: string
}

export interface Refusal {
  /** Id of the guard that makes the check, and the reason that it writes down. */
  guard: string
  reason: string
  layer: Layer
  /** What the caller gets; both null where the connection simply ends: then nothing else was looked at. */
  status: number | null
  error: string | null
  /** Statuses that will do instead: what servers answer that judge a certificate in HTTP, say. */
  orStatuses?: readonly number[]
}

export interface Way {
  /** Options of the call. */
  call: Readonly<Record<string, unknown>>
  /** Parts of what is presented that do not reach the target this way. */
  loses?: readonly string[]
  /** What everybody gets this way, whatever is presented: it is shut. */
  shut?: Refusal
  /** The parts one of which must be presented for that: nobody is shut out by what he does not show. Default: it is shut to all. */
  shutFor?: readonly string[]
  /** In which fields parts travel this way. Default: as always. */
  fields?: Readonly<Record<string, string>>
  /** Reasons that are written down this way, in the place of others. */
  reasons?: Readonly<Record<string, string>>
  /** Whose fault it is where somebody is let in this way who must not be. */
  fault?: string
}
