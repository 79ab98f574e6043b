import type { Command } from 'commander'
import { flagsOf, loadConfiguration, redactedConfiguration, warnIgnoredSwitches } from '../shared/configuration.ts'
import { createLog, failureFields } from '../shared/log.ts'
import { exitOnStartFailure, StartFailure } from '../shared/start-failure.ts'
import { stopOnSignals } from '../shared/stop-signals.ts'
import { type Configuration, doesMessaging, doesPeering, program } from './config.ts'
import type { OwnNode } from './own-node.ts'
import type { Peering } from './peering.ts'
import { type Prepared, prepare } from './prepare.ts'
import type { Section } from './section.ts'
import { openStore, type Store } from './store.ts'

const EXIT_FAILED = 1

/** The program itself, as its flags say. */
export async function serve(self: Command): Promise<void> {
  try {
    const options = self.opts<{ config?: string; checkConfig?: boolean; printConfig?: boolean }>()
    const configuration = loadConfiguration(program, { file: options.config, flags: flagsOf(self, program) })
    if (options.printConfig === true) {
      process.stdout.write(`${JSON.stringify(redactedConfiguration(program, configuration), null, 2)}\n`)
    } else {
      const prepared = prepare(configuration)
      const messaging = await prepareMessaging(prepared)
      if (options.checkConfig === true) process.stdout.write('the configuration is good\n')
      else await run(prepared, messaging)
    }
  } catch (failure) {
    exitOnStartFailure(program.name, failure)
  }
}

type MessagingFactory = (node: OwnNode) => Section

/** Loaded where it is configured only: a node without a broker does not pay for its packages. */
async function prepareMessaging({ configuration, decisions }: Prepared): Promise<MessagingFactory | undefined> {
  if (!doesMessaging(configuration)) return undefined
  const { readMessaging, Messaging } = await import('./messaging/messaging.ts')
  const ready = readMessaging(configuration, decisions)
  return (node) => new Messaging({ ...node, configuration }, ready, endUnconnected)
}

/** Likewise: a node without peers does not pay for theirs. */
async function loadPeering(configuration: Configuration): Promise<((node: OwnNode) => Peering) | undefined> {
  if (!doesPeering(configuration)) return undefined
  const { Peering } = await import('./peering.ts')
  return (node) => new Peering({ ...node, configuration })
}

/** What a broker refused, or what did not come about in time, after the start: whoever started us may try again. */
function endUnconnected(failure: Error): never {
  if (failure instanceof StartFailure) exitOnStartFailure(program.name, failure)
  process.stderr.write(`${program.name}: ${failure.message}\n`)
  process.exit(EXIT_FAILED)
}

async function run({ configuration, material, decisions }: Prepared, messaging?: MessagingFactory): Promise<void> {
  // What is refused before it starts, or was only to be checked, does not wait for what serves.
  const [{ createOrchestrator }, peering] = await Promise.all([import('./orchestrator.ts'), loadPeering(configuration)])
  const log = createLog({ node: configuration.node, unit: program.name })
  warnIgnoredSwitches(log)
  const store: Store = openStore(configuration.storage.path)
  const orchestrator = createOrchestrator({ configuration, material, store, decisions, log, peering, messaging })
  const starting = orchestrator.start()
  // Before it says that it has started: whoever hears that may signal at once. A start that fails is told below.
  process.on('SIGHUP', () => void starting.then(() => orchestrator.reload()).catch(() => {}))
  stopOnSignals(async () => {
    await starting
    await orchestrator.stop()
  })
  try {
    await starting
  } catch (failure) {
    const { code, message } = failureFields(failure)
    const { listen, peering } = configuration
    const own = `listen.local ${listen.local}`
    const places = peering === undefined ? own : `peering.listen ${peering.listen} or ${own}`
    throw new StartFailure('config_invalid', `${places}: ${code ?? message}; choose a free address`)
  }
}
