import { Command } from 'commander'
import {
  addConfigurationOptions,
  flagsOf,
  loadConfiguration,
  redactedConfiguration,
  warnIgnoredSwitches,
} from '../shared/configuration.ts'
import { type DecisionLog, openDecisionLog, refusedStart } from '../shared/decision-log.ts'
import { createLog, failureFields } from '../shared/log.ts'
import { exitOnStartFailure, StartFailure } from '../shared/start-failure.ts'
import { type Configuration, program } from './config.ts'
import { type StartContext, startConfig } from './guards/start-config.ts'
import { createOrchestrator, type Material, type Orchestrator, readMaterial, thumbprintsIn } from './orchestrator.ts'
import { configurationProblem } from './start-checks.ts'
import { openStore, type Store } from './store.ts'

const EXIT_USAGE = 2
const LONGEST_STOP_MS = 4_500

interface Prepared {
  configuration: Configuration
  material: Material
  decisions: DecisionLog
}

const command = new Command('orchestrator')
  .description('Exchanges routes with peers over mutual TLS with certificate-bound tokens.')
  .option('--check-config', 'check the configuration and everything that it names, then end')
  .option('--print-config', 'print the effective configuration without its secrets, then end')
  .allowExcessArguments(false)
  // It has said what is wrong by then.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE))
addConfigurationOptions(command, program)
command.parse()

try {
  const options = command.opts<{ config?: string; checkConfig?: boolean; printConfig?: boolean }>()
  const configuration = loadConfiguration(program, { file: options.config, flags: flagsOf(command, program) })
  if (options.printConfig === true) {
    process.stdout.write(`${JSON.stringify(redactedConfiguration(program, configuration), null, 2)}\n`)
  } else {
    const prepared = prepare(configuration)
    if (options.checkConfig === true) process.stdout.write('the configuration is good\n')
    else await run(prepared)
  }
} catch (failure) {
  exitOnStartFailure(program.name, failure)
}

/** Reads and checks everything before a socket is opened. What is wrong stands in the decision log, too. */
function prepare(configuration: Configuration): Prepared {
  const decisions = decisionLogOf(configuration)
  let material: Material | undefined
  const context: StartContext = {
    find() {
      try {
        material = readMaterial(configuration)
        return configurationProblem(configuration, thumbprintsIn(material))
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

function decisionLogOf({ decisionLog, node }: Configuration): DecisionLog {
  try {
    return openDecisionLog(decisionLog, { node, unit: program.name })
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new StartFailure('config_invalid', `decisionLog ${decisionLog} cannot be written (${code}); name a file`, {
      cause,
    })
  }
}

function recordStart(decisions: DecisionLog, node: string, reason: string): void {
  const guard = startConfig.reasons.includes(reason) ? startConfig.id : 'dial.target'
  decisions.record(refusedStart({ guard, reason, target: node }))
}

async function run({ configuration, material, decisions }: Prepared): Promise<void> {
  const log = createLog({ node: configuration.node, unit: program.name })
  warnIgnoredSwitches(log)
  const store: Store = openStore(configuration.storage.path)
  const orchestrator = createOrchestrator({ configuration, material, store, decisions, log })
  try {
    await orchestrator.start()
  } catch (failure) {
    const { code, message } = failureFields(failure)
    const { peering, local } = configuration.listen
    throw new StartFailure('config_invalid', `listen ${peering} or ${local}: ${code ?? message}; choose a free address`)
  }
  process.on('SIGHUP', () => orchestrator.reload())
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(orchestrator))
}

let isStopping = false

/** Gracefully, and at once when asked a second time. */
function stop(orchestrator: Orchestrator): void {
  if (isStopping) process.exit(0)
  isStopping = true
  setTimeout(() => process.exit(0), LONGEST_STOP_MS).unref()
  orchestrator.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}
