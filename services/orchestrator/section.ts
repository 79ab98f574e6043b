import type { LocalOperation } from './local-call.ts'

/** What a section of the configuration adds to a node. */
export interface Section {
  /** Its part of the local API. */
  readonly operations: readonly LocalOperation[]
  /** Its part of `GET /v1/state`. */
  state(): object | Promise<object>
  /** Why it cannot do its work, or nothing. */
  notReady(): Promise<string | undefined>
  /** Whether something that it presents is bound to this certificate. */
  needs(x5t: string): boolean
  listen(): Promise<void>
  start(): void
  /** Certificate and anchors were read anew. */
  reloaded(): void
  /** Our certificate was renewed. */
  renewed(): Promise<void>
  stop(): Promise<void>
  /** When every listener has closed. */
  close(): void
}
