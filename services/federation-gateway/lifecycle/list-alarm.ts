import type { Log } from '../../shared/log.ts'
import type { CrlKeeper } from '../certificates/crl-keeper.ts'
import { type Repeated, repeat } from './repeat.ts'

const EVERY_MS = 1_000

/** Says once that no handshake succeeds for want of a good list of revoked certificates, and once that there is one again. */
export function watchLists(keeper: Pick<CrlKeeper, 'problem'>, log: Log): Repeated {
  let told: string | undefined
  return repeat('list-alarm', EVERY_MS, log, async () => {
    const { problem } = keeper
    if (problem === told) return
    told = problem
    if (problem === undefined) log.info('crl-good')
    else log.error('crl-unusable', { reason: problem })
  })
}
