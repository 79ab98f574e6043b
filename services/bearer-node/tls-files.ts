import { failureFields, type Log } from '../shared/log.ts'
import { watchFile } from '../shared/watch-file.ts'
import type { Config } from './config.ts'
import type { Health } from './health.ts'
import type { Listeners } from './listener/listener.ts'
import { certificateFiles, type Material, readMaterials } from './listener/materials.ts'

/** As `/readyz` shows them. */
const REFUSED = 'tls_reload_refused'
const MISSING = 'certificate_missing'
const AGAIN_MS = 2_000

export interface TlsFilesOptions {
  readonly config: Pick<Config, 'listen' | 'caFile'>
  readonly listeners: Listeners
  readonly health: Health
  readonly log: Log
  /** What is in use from now on. */
  onUsed(materials: readonly Material[]): void
}

/** Has listeners use their TLS files anew when told to, and those that wait for their first ones as soon as they are there. */
export class TlsFiles {
  readonly #options: TlsFilesOptions
  #watches: readonly { close(): void }[] = []
  #reading: Promise<void> = Promise.resolve()

  constructor(options: TlsFilesOptions) {
    this.#options = options
    const { config, listeners, health, log } = options
    const waiting = listeners.waiting().flatMap((at) => certificateFiles(config.listen[at]!.tls!))
    if (waiting.length === 0) return
    health.raise(MISSING)
    log.warn('certificate-missing', {
      message: `waiting for ${waiting.join(', ')}; until then nobody is answered there`,
    })
    const watches = waiting.map((file) => watchFile(file, () => void this.reload()))
    // Of a node that only waits nothing else would keep the process alive.
    const again = setInterval(() => void this.reload(), AGAIN_MS)
    this.#watches = [...watches, { close: () => clearInterval(again) }]
  }

  /** Resolves once the files are in use, or were refused: then what was in use stays. */
  reload(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read())
    return this.#reading
  }

  async close(): Promise<void> {
    this.#unwatch()
    await this.#reading
  }

  async #read(): Promise<void> {
    const { config, listeners, health, log, onUsed } = this.#options
    try {
      const materials = readMaterials(config)
      const gone = materials.findIndex((one, at) => one === 'missing' && !listeners.waiting().includes(at))
      if (gone >= 0)
        throw new Error(`${certificateFiles(config.listen[gone]!.tls!).join(' or ')} is not there any more`)
      await listeners.reload(materials)
      onUsed(materials)
      health.clear(REFUSED)
    } catch (failure) {
      health.raise(REFUSED)
      log.error('tls-reload-refused', failureFields(failure))
    }
    if (listeners.waiting().length > 0) return
    health.clear(MISSING)
    this.#unwatch()
  }

  #unwatch(): void {
    for (const watch of this.#watches) watch.close()
    this.#watches = []
  }
}
