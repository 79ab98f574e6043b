import { firstRefusal } from '../../shared/guard.ts'
import { SetupError } from '../../shared/setup-error.ts'
import type { Configuration } from '../config.ts'
import { type Start, startCa } from '../start/guards.ts'
import { changeRootPin, rootPin } from '../storage/settings.ts'
import { asRole } from './owner.ts'

/** From now on the root in the file is the one that counts. Where a pin is configured, it must be of that one, too. */
export async function runRepin(
  configuration: Configuration,
): Promise<{ readonly before: string | null; readonly rootSha256: string }> {
  const start: Start = { configuration, now: Date.now() }
  if ((await firstRefusal([startCa], start)) !== undefined) throw start.failure!
  const { ca } = start
  if (ca === undefined) {
    throw new SetupError('ca_missing', 'stepCa.url and stepCa.rootCertPath are missing; there is no CA to be pinned')
  }
  return asRole(configuration, 'gateway_app', async (database) => {
    const before = (await rootPin(database)) ?? null
    await changeRootPin(database, ca.fingerprint)
    return { before, rootSha256: ca.fingerprint }
  })
}
