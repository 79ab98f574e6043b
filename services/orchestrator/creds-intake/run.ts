import { warnIgnoredSwitches } from '../../shared/configuration.ts'
import { openLogAtStart, refusedStart } from '../../shared/decision-log.ts'
import { createLog } from '../../shared/log.ts'
import { CredsRefused } from '../../shared/nats/creds-set.ts'
import { CURRENT_FILE, MANIFEST_FILE } from '../../shared/nats/manifest.ts'
import { handedTo } from '../../shared/nats/roles.ts'
import { groupId, userId } from '../../shared/os-users.ts'
import type { IntakeConfiguration } from './config.ts'
import { type IntakeOptions, takeOver } from './intake.ts'

/** Runs an intake to its end. Throws `StartFailure`. */
export async function intake({ node, unit, decisionLog, credsDir }: IntakeConfiguration, options: IntakeOptions) {
  const log = createLog({ node, unit })
  warnIgnoredSwitches(log)
  const decisions = openLogAtStart(decisionLog, { node, unit })
  try {
    const { set, isNew } = await takeOver(options)
    const { generation, files } = set.manifest
    const users = files.map(({ user }) => `${user.name} ${user.key}`)
    log.info(isNew ? 'installed' : 'unchanged', { credsDir, generation, users })
  } catch (failure) {
    if (failure instanceof CredsRefused) {
      decisions.record(refusedStart({ guard: failure.guard, reason: failure.reason, target: node }))
    }
    throw failure
  } finally {
    decisions.close()
  }
}

/** Throws `StartFailure`. */
export function optionsOf({ receiver, handover, credsDir }: IntakeConfiguration): IntakeOptions {
  const shared = { users: handedTo(receiver), now: Date.now }
  return {
    handover: {
      ...shared,
      folder: handover.folder,
      uid: userId(handover.owner),
      gid: handover.group === undefined ? undefined : groupId(handover.group),
      fileMode: Number.parseInt(handover.fileMode, 8),
      manifestFile: MANIFEST_FILE,
    },
    installed: { ...shared, folder: credsDir, uid: userId(undefined), fileMode: 0o600, manifestFile: CURRENT_FILE },
    timeoutSeconds: handover.timeoutSeconds,
  }
}
