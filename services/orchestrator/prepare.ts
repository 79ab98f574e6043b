import { type DecisionLog, openLogAtStart, refusedStart } from '../shared/decision-log.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { type Configuration, doesPeering, program } from './config.ts'
import { type StartContext, startConfig } from './guards/start-config.ts'
import { type Material, readMaterial, thumbprintsIn } from './material.ts'
import { configurationProblem } from './start-checks.ts'

/** What a start needs, read and found good. */
export interface Prepared {
  configuration: Configuration
  material: Material
  decisions: DecisionLog
}

/** Reads and checks everything before a socket is opened. Throws `StartFailure`; what is wrong stands in the decision log, too. */
export function prepare(configuration: Configuration): Prepared {
  const decisions = openLogAtStart(configuration.decisionLog, { node: configuration.node, unit: program.name })
  let material: Material | undefined
  const context: StartContext = {
    find() {
      try {
        material = readMaterial(configuration)
        return doesPeering(configuration) ? configurationProblem(configuration, thumbprintsIn(material)) : undefined
      } catch (failure) {
        if (failure instanceof StartFailure) return failure
        throw failure
      }
    },
  }
  const refusal = startConfig.check(context)
  if (refusal !== undefined || material === undefined) {
    const failure = context.failure ?? new StartFailure('config_invalid', 'the TLS files cannot be used')
    recordStart(decisions, configuration.node, failure.reason)
    throw failure
  }
  return { configuration, material, decisions }
}

function recordStart(decisions: DecisionLog, node: string, reason: string): void {
  const guard = startConfig.reasons.includes(reason) ? startConfig.id : 'dial.target'
  decisions.record(refusedStart({ guard, reason, target: node }))
}
