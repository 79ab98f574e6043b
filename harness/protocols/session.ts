/** How a session ended: the code and text of its end, 1006 where the transport was lost. */
export interface SessionEnd {
  readonly code: number
  readonly reason: string
  /** Epoch ms at which our side saw it. */
  readonly at: number
}

/** An admitted session under the test's control. Close it, or let its site do so. */
export interface Session {
  /** JSON frames that came, oldest first. */
  readonly frames: readonly Frame[]
  /** Resolves when the session has ended, whoever ended it. */
  readonly ended: Promise<SessionEnd>
  /** As JSON, in a frame of text; bytes as they are, in a binary one. */
  send(frame: unknown): void
  ping(): void
  close(): Promise<void>
}

/** A JSON frame; one that is no JSON object stands under `value` or `text`. */
export type Frame = Readonly<Record<string, unknown>>
