import type { X509Certificate } from 'node:crypto'
import { failureFields, type Log } from '../../shared/log.ts'
import type { Serial } from '../serial.ts'
import { type Crl, CrlRefused, readCrl } from './crl.ts'

/** Where the lists come from. Each may fail; the failure is logged by its code and message. */
export interface CrlSource {
  /** The list of the CA that issues leaves: DER or PEM. */
  list(): Promise<Uint8Array>
  /** The list of the root: Node looks at the whole chain, so without it nobody is let in. */
  rootList(): Promise<Uint8Array>
  /** The CAs that may have signed the first list. */
  issuers(): Promise<readonly X509Certificate[]>
}

/** Lists that may be used now. */
export interface CrlsInUse {
  /** PEM, of the root and of the issuing CA. */
  readonly pems: readonly string[]
  readonly serials: ReadonlySet<Serial>
  /** The issuing CA's, as it is mirrored. */
  readonly issuing: Crl
}

export interface CrlKeeperOptions {
  readonly source: CrlSource
  readonly root: X509Certificate
  /** The distribution point that leaves name. */
  readonly distributionPoint: string
  readonly refreshMs: number
  readonly log: Log
  /** Called with every list that comes into use. */
  onLoaded(crls: CrlsInUse): void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** Keeps the lists of revoked certificates fresh. One that is refused changes nothing: the last good one counts until its own end. */
export class CrlKeeper {
  readonly #options: CrlKeeperOptions
  readonly #now: () => number
  #root: Crl | undefined
  #issuing: Crl | undefined
  #refreshing: Promise<boolean> | undefined
  #timer: NodeJS.Timeout | undefined
  #lastProblem = ''

  constructor(options: CrlKeeperOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** Looks now, and again and again; resolves once it has looked. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.refresh(), this.#options.refreshMs).unref()
    await this.refresh()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Why nobody can be let in, or nothing. */
  get problem(): 'crl_missing' | 'crl_stale' | undefined {
    if (this.#root === undefined || this.#issuing === undefined) return 'crl_missing'
    const endsAt = Math.min(this.#root.nextUpdate.getTime(), this.#issuing.nextUpdate.getTime())
    return endsAt <= this.#now() ? 'crl_stale' : undefined
  }

  get current(): CrlsInUse | undefined {
    if (this.#root === undefined || this.#issuing === undefined) return undefined
    return { pems: [this.#root.pem, this.#issuing.pem], serials: this.#issuing.serials, issuing: this.#issuing }
  }

  /** Fetches the lists, and uses those that are better than what there is. Whether there was a good one. Never rejects. */
  refresh(): Promise<boolean> {
    // Whoever asks while somebody does wants a list of after now: a revocation may have come in between.
    const before = this.#refreshing ?? Promise.resolve(true)
    const mine: Promise<boolean> = before.then(() => this.#look())
    this.#refreshing = mine
    void mine.then(() => {
      if (this.#refreshing === mine) this.#refreshing = undefined
    })
    return mine
  }

  async #look(): Promise<boolean> {
    try {
      const [root, issuing] = [await this.#readRoot(), await this.#readIssuing()]
      const isNew = root.hash !== this.#root?.hash || issuing.hash !== this.#issuing?.hash
      this.#root = root
      this.#issuing = issuing
      this.#lastProblem = ''
      if (isNew) this.#options.onLoaded(this.current!)
      return true
    } catch (failure) {
      const fields = failureFields(failure)
      // Every half minute the same: said once.
      if (fields.message !== this.#lastProblem) this.#options.log.warn('crl-refused', { ...fields })
      this.#lastProblem = fields.message
      return false
    }
  }

  async #readRoot(): Promise<Crl> {
    const { source, root } = this.#options
    const bytes = await source.rootList()
    const trust = { issuer: root, distributionPoint: undefined, now: this.#now() }
    return readCrl(bytes, this.#root === undefined ? trust : { ...trust, previous: this.#root })
  }

  async #readIssuing(): Promise<Crl> {
    const { source, distributionPoint } = this.#options
    const [bytes, issuers] = [await source.list(), await source.issuers()]
    let last: unknown = new CrlRefused('crl_untrusted', 'no CA is known that may have signed it')
    for (const issuer of issuers) {
      try {
        const trust = { issuer, distributionPoint, now: this.#now() }
        return readCrl(bytes, this.#issuing === undefined ? trust : { ...trust, previous: this.#issuing })
      } catch (failure) {
        last = failure
      }
    }
    throw last
  }
}
