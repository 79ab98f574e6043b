import { closeSync, fchmodSync, openSync, writeSync } from 'node:fs'
import { failureFields, type Log } from './log.ts'

export type Layer = 'start-up' | 'tls' | 'http' | 'session' | 'broker'

/** One accept or refusal. `principal` holds proven values only: a thumbprint after the handshake, claims after the signature. */
export interface Decision {
  /** `<remote address>:<remote port>`; empty where there is no connection. */
  conn: string
  listener: string
  requestId: string
  traceId?: string
  action: string
  verdict: 'accepted' | 'refused'
  layer: Layer
  status: number | null
  error: string | null
  guard: string | null
  reason: string | null
  target: string
  principal: Readonly<Record<string, string>>
  ms: number
}

export interface DecisionLog {
  /** Written before the caller gets its answer, so that whoever holds the answer can read the record. */
  record(decision: Decision): void
  close(): void
}

/** Appends one JSON line for each decision to a file (0600). Synchronous: a record is never behind the answer it explains. */
export function openDecisionLog(file: string, who: { node: string; unit: string }): DecisionLog {
  const handle = openSync(file, 'a', 0o600)
  fchmodSync(handle, 0o600)
  const writer = JSON.stringify(who).slice(1, -1)
  let seq = 0
  return {
    record(decision) {
      seq += 1
      // Who writes is the same in every line, and this is on the way of every answer.
      const head = `{"ts":"${new Date().toISOString()}","seq":${seq},${writer},`
      writeSync(handle, `${head}${JSON.stringify(decision).slice(1)}\n`)
    },
    close: () => closeSync(handle),
  }
}

/**
 * Records what is refused and answers nobody: a session that ended, a peer that was not dialled. It stays refused where it cannot be
 * put on record, and nothing else may end for it.
 */
export function recordUnanswered(
  decisions: Pick<DecisionLog, 'record'>,
  log: Pick<Log, 'error'>,
  decision: Decision,
): void {
  try {
    decisions.record(decision)
  } catch (failure) {
    log.error('decision-not-recorded', failureFields(failure))
  }
}

/** The record of a process that refuses to start: there is no connection, and nobody to answer. */
export function refusedStart(refusal: { guard: string; reason: string; target: string }): Decision {
  return {
    conn: '',
    listener: '',
    requestId: crypto.randomUUID(),
    action: 'start',
    verdict: 'refused',
    layer: 'start-up',
    status: null,
    error: null,
    principal: {},
    ms: 0,
    ...refusal,
  }
}
