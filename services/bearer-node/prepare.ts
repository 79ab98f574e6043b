import { type DecisionLog, openLogAtStart, refusedStart } from '../shared/decision-log.ts'
import { makeOwnFolder } from '../shared/own-folder.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { readAnchors } from '../shared/tls-material.ts'
import type { Config } from './config.ts'
import { bearerExposure } from './guards/exposure.ts'
import { RefusedStart, refuseStart } from './guards/refused-start.ts'
import { type Material, readMaterials } from './listener/materials.ts'
import type { TokenEnvironment } from './settings.ts'
import type { FileDemand } from './token/file.ts'
import { type GivenToken, readToken } from './token/source.ts'

/** How a token was given to this process, beside its configuration. */
export interface GivenByCaller {
  /** `--auth-token`. */
  readonly flag: string | undefined
  readonly environment: TokenEnvironment
}

/** What a start needs, found good. */
export interface Prepared {
  readonly config: Config
  readonly decisions: DecisionLog
  readonly given: GivenToken | undefined
  readonly demand: FileDemand
  /** Of each listener, in the order of the configuration. */
  readonly materials: readonly Material[]
  /** What an operator should know; without a secret. */
  readonly told: readonly string[]
}

/** Judges everything before a socket is opened. What is wrong stands in the decision log, too. @throws StartFailure */
export async function prepare(config: Config, by: GivenByCaller): Promise<Prepared> {
  await ownFolder(config.dataDir)
  const decisions = openLogAtStart(config.decisionLog, { node: config.nodeId, unit: config.unit })
  const demand = demandOf(config, by.environment)
  try {
    const { given, told } = await readToken({ ...by, isRequired: config.auth.require }, demand)
    const exposed = { config, hasToken: given !== undefined, told: [...told] }
    await refuseStart([bearerExposure], exposed)
    const materials = readMaterials(config)
    if (config.caFile !== undefined) readAnchors(config.caFile)
    return { config, decisions, given, demand, materials, told: exposed.told }
  } catch (failure) {
    if (failure instanceof RefusedStart) {
      decisions.record(refusedStart({ guard: failure.guard, reason: failure.reason, target: config.nodeId }))
    }
    decisions.close()
    throw failure
  }
}

/** What token files of this node have to fulfil. */
export function demandOf({ auth }: Pick<Config, 'auth'>, { credentialsDirectory }: TokenEnvironment): FileDemand {
  const uid = process.getuid?.()
  if (uid === undefined) throw new StartFailure('config_invalid', 'this system has no users that files belong to')
  const longestOverlapMs = auth.maxOverlapS * 1000
  return { isRequired: auth.require, uid, credentialsDirectory, longestOverlapMs, now: Date.now }
}

async function ownFolder(dataDir: string): Promise<void> {
  const isOwn = await makeOwnFolder(dataDir).catch(({ code }: NodeJS.ErrnoException) => {
    throw new StartFailure('config_invalid', `dataDir ${dataDir} cannot be made (${code}); name a folder of this user`)
  })
  if (isOwn) return
  const way = `chown it to this user, and chmod 0700 ${dataDir}`
  throw new StartFailure('config_invalid', `dataDir ${dataDir} is open to others, or another user's; ${way}`)
}
