import { Argument, Command, Option } from 'commander'
import { HoldfastError } from '../errors.ts'
import { exitCode } from './exit-code.ts'
import { jsonOption } from './options.ts'
import { printJson, printNote, printPhase, printResult, table } from './output.ts'
import { ownerLives, type RunningSite, runningSites } from './runs.ts'

export function down(): Command {
  return new Command('down')
    .description('End a running topology, and wait until nothing of it is left.')
    .addArgument(
      new Argument('[run]', 'label of the run, as holdfast up printed it; needless when only one is running'),
    )
    .addOption(new Option('-a, --all', 'end every run of this user on this machine'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  holdfast down              the only one that is running; when there are several, it lists them
  holdfast down separate-auth-3fa9c2
  holdfast down --all`,
    )
    .action(async (label: string | undefined, options: { all?: boolean; json?: boolean }) => {
      const running = await runningSites()
      const chosen = label === undefined ? running : running.filter(({ run }) => run === label)
      if (label !== undefined && chosen.length === 0) throw new NotRunning(label, running)
      if (chosen.length > 1 && !options.all) {
        if (options.json) printJson({ ended: [], running })
        else refuseToGuess(chosen)
        process.exitCode = exitCode.usage
        return
      }
      for (const run of chosen) await end(run)
      if (options.json) return printJson({ ended: chosen.map(({ run }) => run) })
      printResult(chosen.length > 0 ? chosen.map(({ run }) => `ended ${run}`).join('\n') : 'nothing is running')
    })
}

class NotRunning extends HoldfastError {
  constructor(label: string, running: readonly RunningSite[]) {
    const there = running.length > 0 ? `running: ${running.map(({ run }) => run).join(', ')}` : 'nothing is running'
    super(
      'HOLDFAST_NOT_RUNNING',
      `no run is called "${label}"; ${there}. What a crash left is removed by holdfast sweep`,
    )
  }
}

class WillNotEnd extends HoldfastError {
  constructor({ run, pid }: RunningSite) {
    super(
      'HOLDFAST_WILL_NOT_END',
      `${run} (process ${pid}) did not end within ${limitMs / 1000} s; end that process, then type holdfast sweep`,
    )
  }
}

function refuseToGuess(running: readonly RunningSite[]): void {
  printNote('Several are running; name one, or give --all:')
  printResult(
    table(
      ['run', 'topology', 'backend', 'process'],
      running.map(({ run, topology, backend, pid }) => [run, topology, backend, String(pid)]),
    ),
  )
}

/** Longer than a site may take to stop. */
const limitMs = 30_000

/** Asks the process that stood the site up to release it. */
async function end(run: RunningSite): Promise<void> {
  process.kill(run.pid, 'SIGTERM')
  const patience = AbortSignal.timeout(limitMs)
  while (await ownerLives(run)) {
    if (patience.aborted) throw new WillNotEnd(run)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  printPhase('done', 'released', `${run.run}  ${run.topology}`)
}
