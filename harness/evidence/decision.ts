/** One accept or refusal, as the node that decided wrote it (one JSON line). Services may add members, never rename these. */
export interface DecisionRecord {
  /** ISO 8601, UTC, milliseconds. */
  ts: string
  /** Counts up by one within a process. */
  seq: number
  node: string
  unit: string
  /** `<remote address>:<remote port>` of the connection as the deciding node saw it; empty for decisions without one. */
  conn: string
  listener: string
  requestId: string
  traceId?: string
  action: string
  verdict: 'accepted' | 'refused'
  layer: 'start-up' | 'tls' | 'http' | 'session' | 'broker'
  /** HTTP status that the caller got, if the layer has one. */
  status: number | null
  /** Protocol error code that the caller got. */
  error: string | null
  /** Id of the guard that refused; null when accepted. */
  guard: string | null
  /** Machine-readable reason; null when accepted. */
  reason: string | null
  target: string
  /** Proven values only. */
  principal: Readonly<Record<string, string>>
  ms: number
}
