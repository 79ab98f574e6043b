import { Argument, Command, Option } from 'commander'
import { HoldfastError } from '../errors.ts'
import { exitCode } from './exit-code.ts'
import { jsonOption } from './options.ts'
import { printJson, printNote, printPhase, printResult, table } from './output.ts'
import { announceDown, isOfThisFolder, ownerLives, type RunningSite, runningSites } from './runs.ts'

export function down(): Command {
  return new Command('down')
    .description('End a running topology, and wait until nothing of it is left.')
    .addArgument(
      new Argument('[run]', 'label of the run, as holdfast up printed it; needless when only one is running'),
    )
    .addOption(new Option('-a, --all', 'end every run that was started in this folder or below it'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast down              the only one that was started here; when there are several, it lists them
  npx holdfast down separate-auth-3fa9c2
  npx holdfast down --all

Runs of other folders are listed, and ended only by their label.`,
    )
    .action(async (label: string | undefined, options: { all?: boolean; json?: boolean }, command: Command) => {
      if (label !== undefined && options.all) {
        command.error('error: give the label of a run or --all, not both', { exitCode: exitCode.usage })
      }
      const running = await runningSites()
      const chosen = running.filter((site) => (label === undefined ? isOfThisFolder(site) : site.run === label))
      if (label !== undefined && chosen.length === 0) throw new NotRunning(label, running)
      if (chosen.length > 1 && !options.all) {
        if (options.json) printJson({ ended: [], running })
        else refuseToGuess(chosen)
        process.exitCode = exitCode.usage
        return
      }
      for (const run of chosen) await end(run)
      if (options.json) return printJson({ ended: chosen.map(({ run }) => run) })
      if (chosen.length > 0) return printResult(chosen.map(({ run }) => `ended ${run}`).join('\n'))
      printResult('nothing is running from this folder')
      if (running.length > 0) tellElsewhere(running)
    })
}

class NotRunning extends HoldfastError {
  constructor(label: string, running: readonly RunningSite[]) {
    const there = running.length > 0 ? `running: ${running.map(({ run }) => run).join(', ')}` : 'nothing is running'
    super(
      'HOLDFAST_NOT_RUNNING',
      `no run is called "${label}"; ${there}. What a crash left is removed by npx holdfast sweep`,
    )
  }
}

class WillNotEnd extends HoldfastError {
  constructor({ run, pid }: RunningSite) {
    super(
      'HOLDFAST_WILL_NOT_END',
      `${run} (process ${pid}) did not end within ${limitMs / 1000} s; end that process, then type npx holdfast sweep`,
    )
  }
}

function refuseToGuess(running: readonly RunningSite[]): void {
  printNote('Several are running; name one, or give --all:')
  printResult(runsTable(running))
}

function tellElsewhere(running: readonly RunningSite[]): void {
  printNote(`Elsewhere, to be ended by their label, npx holdfast down ${running[0]!.run} say:`)
  printNote(runsTable(running))
}

function runsTable(running: readonly RunningSite[]): string {
  return table(
    ['run', 'topology', 'backend', 'process', 'started', 'in'],
    running.map(({ run, topology, backend, pid, startedAt, from }) => {
      return [run, topology, backend, String(pid), startedAt.slice(0, 19).replace('T', ' '), from]
    }),
  )
}

/** Longer than a site may take to stop. */
const limitMs = 30_000

/** Asks the process that stood the site up to release it. */
async function end(run: RunningSite): Promise<void> {
  await announceDown(run)
  process.kill(run.pid, 'SIGTERM')
  const patience = AbortSignal.timeout(limitMs)
  while (await ownerLives(run)) {
    if (patience.aborted) throw new WillNotEnd(run)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  printPhase('done', 'released', `${run.run}  ${run.topology}`)
}
