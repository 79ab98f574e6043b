import { join } from 'node:path'
import { type DecisionLog, recordUnanswered, refusedStart } from '../../shared/decision-log.ts'
import type { Log } from '../../shared/log.ts'
import type { CredsDemand } from '../../shared/nats/creds-demand.ts'
import { type CredsOf, CredsRefused, type CredsSet, credsFor, readCredsSet } from '../../shared/nats/creds-set.ts'
import { CURRENT_FILE } from '../../shared/nats/manifest.ts'
import type { UserName } from '../../shared/nats/roles.ts'
import { watchFile } from '../../shared/watch-file.ts'

/** The credentials that are in use, and how much of their life is left. A newer set is taken as soon as it is installed. */
export class Credentials {
  readonly #demand: CredsDemand
  readonly #who: { decisions: DecisionLog; log: Log; node: string }
  #set: CredsSet
  #watching: { close(): void } | undefined
  #warned: number | undefined

  /** @throws CredsRefused */
  constructor(demand: CredsDemand, who: { decisions: DecisionLog; log: Log; node: string }) {
    this.#demand = demand
    this.#who = who
    this.#set = readCredsSet(demand)
  }

  get generation(): number {
    return this.#set.manifest.generation
  }

  of(user: UserName): CredsOf {
    return credsFor(this.#set, user)
  }

  /** @param onNewer another set is in use */
  watch(onNewer: () => void): void {
    this.#watching = watchFile(join(this.#demand.folder, CURRENT_FILE), () => {
      if (this.#takeNewer()) onNewer()
    })
  }

  close(): void {
    this.#watching?.close()
  }

  /** `ending` from a fifth of their life on, `over` from a twentieth: by then a newer set should have been here. */
  lifeLeft(): 'enough' | 'ending' | 'over' {
    const shares = this.#set.files.map(({ creds }) => shareLeft(creds.claims, this.#demand.now() / 1000))
    const least = Math.min(...shares)
    if (least <= 0.2) this.#warn()
    return least > 0.2 ? 'enough' : least > 0.05 ? 'ending' : 'over'
  }

  #takeNewer(): boolean {
    const { decisions, log, node } = this.#who
    const installed = this.#set.manifest
    const { generation } = installed
    try {
      const next = readCredsSet({ ...this.#demand, installed })
      if (next.manifest.generation === generation) return false
      this.#set = next
      log.info('credentials-replaced', { generation: next.manifest.generation })
      return true
    } catch (failure) {
      if (!(failure instanceof CredsRefused)) throw failure
      const { guard, reason, message } = failure
      log.error('credentials-refused', { guard, reason, message })
      recordUnanswered(decisions, log, {
        ...refusedStart({ guard, reason, target: node }),
        action: 'messaging:credentials',
      })
      return false
    }
  }

  #warn(): void {
    if (this.#warned === this.generation) return
    this.#warned = this.generation
    const ends = this.#set.files.map(({ creds }) => creds.claims.exp ?? 0).sort((a, b) => a - b)[0] ?? 0
    this.#who.log.warn('credentials-ending', {
      ...{ generation: this.generation, expiresAt: new Date(ends * 1000).toISOString() },
      message: 'have newer ones handed over before these end',
    })
  }
}

/** 1 for what never ends. */
function shareLeft({ iat, exp }: { iat: number; exp?: number }, now: number): number {
  return exp === undefined ? 1 : (exp - now) / Math.max(1, exp - iat)
}
