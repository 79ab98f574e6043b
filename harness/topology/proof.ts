/** How a target's decision is seen, the strongest first. Only a decision record names what was proven. */
export type Proof = 'decision record' | 'log line' | 'header' | 'status alone'

/** Where the decisions of a program that writes no decision records are seen instead. */
export type WeakerProof = (
  | {
      proof: 'log line'
      /**
       * A regular expression with named groups: `reason` (absent or empty: accepted), and `conn` (`address:port` of the caller, or
       * the port alone), by which the line of a call is known from others.
       */
      pattern: string
      /** The file that it logs to; absent: what it prints. */
      file?: string
    }
  | { proof: 'header'; name: string }
  | { proof: 'status alone' }
) & {
  /** The program's own words by our reasons. A reason that is not among them is shown, and not compared. */
  reasons?: Readonly<Record<string, string>>
  /** What refused callers get where it is not what RFC 6750 section 3.1 says: `401 invalid_token`; `401` alone: no code; `401 ?`: a code or none; `401 *`: without a challenge, too. */
  answers?: { noToken: string; badToken: string; scope: string }
}
