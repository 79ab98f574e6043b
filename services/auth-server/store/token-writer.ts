import { Worker } from 'node:worker_threads'
import { StorageUnavailable } from '../../shared/sqlite.ts'
import type { TokenRecord } from '../model.ts'

/** The client was removed while its token was being made: nothing was recorded, so nothing may be answered. */
export class ClientGone extends Error {
  constructor(clientId: string) {
    super(`client ${clientId} was removed while its token was being made`)
    this.name = 'ClientGone'
  }
}

export type WriterRequest = { rows: { id: number; token: TokenRecord }[] } | { close: true }
export type WriterAnswer = { ids: number[]; recorded: boolean[] } | { ids: number[]; failure: string }

export interface TokenWriter {
  /** Resolves when the row is on disk. Rejects with `StorageUnavailable` or `ClientGone`. */
  record(token: TokenRecord): Promise<void>
  /** Starts the thread, so that the first row does not wait for it. */
  warmUp(): void
  close(): Promise<void>
}

interface Waiting {
  clientId: string
  resolve(): void
  reject(failure: Error): void
}

const threadFile = new URL(`./token-writer-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** Writes the rows of new tokens to the database at `path` from a thread of its own. */
export function tokenWriter(path: string): TokenWriter {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let unsent: { id: number; token: TokenRecord }[] = []
  let last = 0

  /** Rows of one turn of the event loop go over together: waking the thread costs more than a row does. */
  const send = (): void => {
    const rows = unsent
    unsent = []
    if (rows.length > 0) running().postMessage({ rows } satisfies WriterRequest)
  }
  const settle = (answer: WriterAnswer): void => {
    for (const [index, id] of answer.ids.entries()) {
      const row = waiting.get(id)
      waiting.delete(id)
      if ('failure' in answer) row?.reject(new StorageUnavailable(new Error(answer.failure)))
      else if (answer.recorded[index]) row?.resolve()
      else row?.reject(new ClientGone(row.clientId))
    }
    // An idle thread keeps no process alive, a row on its way does.
    if (waiting.size === 0) worker?.unref()
  }
  const start = (): Worker => {
    const started = new Worker(threadFile, { workerData: { path } })
    const lost = (cause: unknown): void => {
      if (worker !== started) return
      worker = undefined
      unsent = []
      settle({ ids: [...waiting.keys()], failure: cause instanceof Error ? cause.message : 'the writer ended' })
    }
    started.on('message', settle)
    started.once('error', lost)
    started.once('exit', lost)
    started.unref()
    return started
  }
  const running = (): Worker => {
    worker ??= start()
    return worker
  }

  return {
    record: (token) =>
      new Promise((resolve, reject) => {
        last += 1
        waiting.set(last, { clientId: token.clientId, resolve, reject })
        running().ref()
        unsent.push({ id: last, token })
        if (unsent.length === 1) setImmediate(send)
      }),
    warmUp: () => void running(),
    close: () =>
      new Promise((resolve) => {
        send()
        if (worker === undefined) return resolve()
        worker.once('exit', () => resolve())
        worker.ref()
        worker.postMessage({ close: true } satisfies WriterRequest)
      }),
  }
}
