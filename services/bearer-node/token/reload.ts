import { firstRefusal } from '../../shared/guard.ts'
import type { Log } from '../../shared/log.ts'
import { watchFile } from '../../shared/watch-file.ts'
import { bearerReload, type Reloading } from '../guards/reload.ts'
import type { Health } from '../health.ts'
import type { Records } from '../listener/records.ts'
import type { TokenSet } from './accepted.ts'
import { alsoFileOf } from './also.ts'
import { type FileDemand, readTokenFiles } from './file.ts'

export interface TokenReloadOptions {
  readonly path: string
  readonly demand: FileDemand
  readonly tokens: TokenSet
  readonly records: Records
  readonly health: Health
  readonly log: Log
}

/** As `/readyz` shows it. */
const REFUSED = 'token_reload_refused'
/** How often files that were refused are looked at again: what was wrong may be their folder, of which no watch tells. */
const AGAIN_MS = 2_000

/** Keeps the tokens in force what the token files say: at once when told to, and soon after they were replaced. */
export class TokenReload {
  readonly #options: TokenReloadOptions
  readonly #closing: { close(): void }[]
  /** One after the other: of two that read at once the older could come last. */
  #reading: Promise<void> = Promise.resolve()
  #refused: string | undefined

  constructor(options: TokenReloadOptions) {
    this.#options = options
    const again = setInterval(() => this.#refused !== undefined && this.reload(), AGAIN_MS).unref()
    this.#closing = [
      ...[options.path, alsoFileOf(options.path)].map((path) => watchFile(path, () => void this.reload())),
      { close: () => clearInterval(again) },
    ]
  }

  /** Resolves once what the files say is in force, or was refused. */
  reload(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read())
    return this.#reading
  }

  async close(): Promise<void> {
    for (const each of this.#closing) each.close()
    await this.#reading
  }

  async #read(): Promise<void> {
    const { path, demand, tokens, health, log } = this.#options
    const reloading: Reloading = { read: () => readTokenFiles(path, demand) }
    const found = await firstRefusal([bearerReload], reloading)
    if (found !== undefined) {
      this.#refuse(found.guard, found.refusal.reason, reloading.mistake ?? '')
      return
    }
    this.#refused = undefined
    health.clear(REFUSED)
    const { files } = reloading
    if (files === undefined) return
    for (const told of files.told) log.warn('token-file', { message: told })
    tokens.replace(files)
    log.info('token-reloaded', { sends: tokens.refOf(tokens.current()), accepts: tokens.accepts().length })
  }

  #refuse(guard: string, reason: string, mistake: string): void {
    const { records, health, log } = this.#options
    health.raise(REFUSED)
    // Looked at every other second, it is told once.
    if (this.#refused === mistake) return
    this.#refused = mistake
    log.error('token-reload-refused', { message: mistake })
    try {
      records.record({ verdict: 'refused', layer: 'session', action: 'token:reload', guard, reason })
    } catch {
      log.error('decision-not-recorded', { message: 'token:reload' })
    }
  }
}
