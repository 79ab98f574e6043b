import { bearerFence } from '../guards/fence.ts'
import { bearerLease, type LeaseRecord } from '../guards/lease.ts'
import { refuseBy } from '../guards/refuse.ts'
import type { Store } from './store.ts'
import type { Time } from './time.ts'

export interface LeaseRequest {
  readonly candidate: string
  readonly epoch: number
  readonly leaseMs: number
  readonly takeover: boolean
}

export interface Granted {
  readonly result: 'granted' | 'renewed'
}

export interface VoterParts {
  readonly id: string
  readonly store: Pick<Store, 'lease' | 'putLease' | 'heads'>
  readonly time: Time
  /** Of a grant, not of a renewal: it is on the disk by then. */
  onGrant?(granted: { voter: string; epoch: number; holder: string }): void
  /** A higher epoch became known: whoever leads at a lower one does so no more. */
  onEpoch?(epoch: number): void
}

/** One voice in the election of a leader, and the highest epoch that this node knows. */
export class Voter {
  readonly #parts: VoterParts
  #record: LeaseRecord | undefined
  /** Of the monotonic clock: from when on the recorded lease is counted. */
  #since: number
  #known: number

  constructor(parts: VoterParts) {
    this.#parts = parts
    this.#record = parts.store.lease()
    // How long ago it was granted is not known any more: it counts as running for all of its time.
    this.#since = parts.time.monotonicMs()
    const written = [...parts.store.heads().values()].map(({ epoch }) => epoch)
    this.#known = Math.max(0, this.#record?.epoch ?? 0, ...written)
  }

  /** The highest epoch that this node knows. */
  get known(): number {
    return this.#known
  }

  get record(): LeaseRecord | undefined {
    return this.#record
  }

  learn(epoch: number): void {
    if (epoch <= this.#known) return
    this.#known = epoch
    this.#parts.onEpoch?.(epoch)
  }

  /** Of the recorded lease; 0 where there is none, or none that runs. */
  remainingMs(): number {
    if (this.#record === undefined || this.#record.released) return 0
    return Math.max(0, this.#since + this.#record.leaseMs - this.#parts.time.monotonicMs())
  }

  /** What it grants is on the disk when this returns. Throws `Refusal`, and `StorageUnavailable`: then nothing is granted. */
  decide({ candidate, epoch, leaseMs, takeover }: LeaseRequest): Granted {
    const recorded = this.#record
    const remainingMs = this.remainingMs()
    refuseBy(bearerFence, { epoch, known: this.#known }, { epoch: this.#known })
    refuseBy(
      bearerLease,
      { recorded, remainingMs, epoch, candidate, takeover },
      { holder: recorded?.holder, epoch: recorded?.epoch, remainingMs: Math.ceil(remainingMs) },
    )
    const isRenewed = recorded?.epoch === epoch && recorded.holder === candidate
    const next: LeaseRecord = { epoch, holder: candidate, leaseMs, released: false }
    if (!isRenewed || recorded.leaseMs !== leaseMs || recorded.released) this.#parts.store.putLease(next)
    this.#record = next
    this.#since = this.#parts.time.monotonicMs()
    this.learn(epoch)
    if (!isRenewed) this.#parts.onGrant?.({ voter: this.#parts.id, epoch, holder: candidate })
    return { result: isRenewed ? 'renewed' : 'granted' }
  }

  /** A holder that leads no more lets others stand at once. Throws `StorageUnavailable`. */
  release({ candidate, epoch }: Pick<LeaseRequest, 'candidate' | 'epoch'>): void {
    const recorded = this.#record
    if (recorded?.epoch !== epoch || recorded.holder !== candidate || recorded.released) return
    const next = { ...recorded, released: true }
    this.#parts.store.putLease(next)
    this.#record = next
  }
}
