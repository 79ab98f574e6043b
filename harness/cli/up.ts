import { Command, Option } from 'commander'
import type { Site } from '../backends/backend.ts'
import { describeFailure, HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { SiteDescription } from './describe-site.ts'
import { exitCode } from './exit-code.ts'
import { aborted, Interrupted, interruptible } from './interruption.ts'
import { backendOption, type CommonOptions, jsonOption, keepOption, setOption } from './options.ts'
import { printJson, printNote, printPhase, printResult } from './output.ts'
import { isEndedByDown } from './runs.ts'

export interface UpOptions extends CommonOptions {
  detach?: boolean
  /** Set by `--detach` on the process that it starts. */
  background?: boolean
}

export function up(): Command {
  return new Command('up')
    .description('Run a topology, and print how to call each of its nodes. It runs until Ctrl-C.')
    .argument('<topology>', 'name of a topology (see npx holdfast list), or the path of a .nix, .json or .ts file')
    .addOption(backendOption())
    .addOption(setOption())
    .addOption(new Option('-d, --detach', 'return when it is ready, and leave it running in the background'))
    .addOption(new Option('--background').hideHelp())
    .addOption(keepOption('leave it running when a unit fails, and say how to reach it'))
    .addOption(jsonOption('print the ready site as one JSON value'))
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast up separate-auth
  npx holdfast up shared-auth --set nodes=5
  npx holdfast up ./lab.json --detach --json
  npx holdfast down

Progress goes to stderr; when the site is ready, stdout gets for each node its address, its listeners, commands to
paste into a shell that call it with the certificate and the token of its peers, and where its logs are.`,
    )
    .action(async (topology: string, options: UpOptions) => {
      if (!options.detach) return runInForeground(topology, options)
      const { startDetached } = await import('./detach.ts')
      print(await interruptible((signal) => startDetached(topology, options, signal)), options)
    })
}

async function runInForeground(topology: string, options: UpOptions): Promise<void> {
  const { standUp } = await import('./stand-up.ts')
  let isDown = false
  const held = interruptible(async (signal) => {
    let tell: (event: SiteEvent) => void = () => {}
    let isWhole = true
    await using site = await standUp(topology, { ...options, signal, onEvent: (event) => tell(event) }).catch(
      (failure) => {
        isWhole = false
        return keptSite(failure)
      },
    )
    const description = await describe(site)
    if (options.background) (await import('./detach.ts')).reportReady(description)
    else await print(description, options)
    if (isWhole) await (await import('./preflight.ts')).tellFiles(site)
    tell = tellUnexpected
    await aborted(signal)
    tell = () => {}
    isDown = isEndedByDown(site.run)
    if (!options.background) printNote('releasing …')
  })
  await held.catch((failure: unknown) => {
    if (!isDown || !(failure instanceof Interrupted)) throw failure
    printNote('ended by holdfast down; everything that was started is released')
  })
}

/** With `--keep`, what came up before a unit failed is told and held as a whole site would be. */
function keptSite(failure: unknown): Site {
  const kept = (failure as { site?: Site }).site
  if (!(failure instanceof HoldfastError) || kept === undefined) throw failure
  printPhase('failed', 'kept', describeFailure(failure))
  process.exitCode = exitCode.failed
  return kept
}

async function describe(site: Site): Promise<SiteDescription> {
  const { describeSite } = await import('./describe-site.ts')
  return describeSite(site)
}

async function print(description: SiteDescription, options: UpOptions): Promise<void> {
  if (options.json) return printJson(description)
  const { renderSite } = await import('./describe-site.ts')
  printResult(renderSite(description))
}

/** After it was ready, nothing should end by itself. */
function tellUnexpected(event: SiteEvent): void {
  if (event.event === 'unit-exited') {
    printPhase('note', 'exited', `${event.node}/${event.unit} ended (${event.signal ?? `code ${event.code}`})`)
  }
  if (event.event === 'agent-gone') printPhase('failed', 'gone', `the agent of ${event.node} ended`)
}
