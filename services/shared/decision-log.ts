import { closeSync, fchmodSync, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { failureFields, type Log } from './log.ts'
import { StartFailure } from './start-failure.ts'

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
  /** Of what was not valid yet: so many seconds more, and it is. */
  skewSeconds?: number
  /** Of refusals that anybody can provoke: so many before this one stand in no record. */
  notWritten?: number
}

export interface DecisionLog {
  /** Written before the caller gets its answer, so that whoever holds the answer can read the record. */
  record(decision: Decision): void
  close(): void
}

/**
 * Appends one JSON line for each decision to a file (0600). Synchronous: a record is never behind the answer it explains. A file that has
 * become too large is renamed by whoever looks after it: the next record stands in a new one.
 */
export function openDecisionLog(file: string, who: { node: string; unit: string }): DecisionLog {
  let handle = openPrivate(file)
  cutTornLine(handle)
  let { dev, ino } = fstatSync(handle)
  const writer = JSON.stringify(who).slice(1, -1)
  let seq = 0
  return {
    record(decision) {
      const here = statSync(file, { throwIfNoEntry: false })
      if (here?.ino !== ino || here.dev !== dev) {
        const next = openPrivate(file)
        closeSync(handle)
        handle = next
        ;({ dev, ino } = fstatSync(handle))
      }
      // Who writes is the same in every line, and this is on the way of every answer.
      const head = `{"ts":"${new Date().toISOString()}","seq":${seq + 1},${writer},`
      append(handle, Buffer.from(`${head}${JSON.stringify(decision).slice(1)}\n`))
      seq += 1
    },
    close: () => closeSync(handle),
  }
}

function openPrivate(file: string): number {
  const handle = openSync(file, 'a+', 0o600)
  try {
    fchmodSync(handle, 0o600)
    return handle
  } catch (failure) {
    // It is tried again with each record: what stays open would use up all that a process may have open.
    closeSync(handle)
    throw failure
  }
}

/** The same, for a start: one that cannot be written is a mistake in the configuration. Throws `StartFailure`. */
export function openLogAtStart(file: string, who: { node: string; unit: string }): DecisionLog {
  try {
    return openDecisionLog(file, who)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartFailure('config_invalid', `decisionLog ${file} cannot be written (${code}); name a file`, { cause })
  }
}

/** All or nothing: a disk that fills up takes the beginning of a line, to which the next one would be glued. */
function append(handle: number, line: Buffer): void {
  let written = 0
  try {
    while (written < line.length) written += writeSync(handle, line, written)
  } catch (failure) {
    if (written > 0) ftruncateSync(handle, fstatSync(handle).size - written)
    throw failure
  }
}

/** Longer than any record. */
const TAIL_BYTES = 65_536

/** Cuts off what a process that was killed had begun to write: its answer was never given, and our first record would be glued to it. */
function cutTornLine(handle: number): void {
  const { size } = fstatSync(handle)
  const from = Math.max(0, size - TAIL_BYTES)
  const tail = Buffer.alloc(size - from)
  const end = tail.subarray(0, readSync(handle, tail, 0, tail.length, from)).lastIndexOf('\n') + 1
  if (end < tail.length && (end > 0 || from === 0)) ftruncateSync(handle, from + end)
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
