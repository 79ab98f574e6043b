import { setTimeout } from 'node:timers/promises'
import type { Command } from 'commander'
import { startTime } from '../backends/processes.ts'
import { HoldfastError } from '../errors.ts'
import { exitCode } from './failure.ts'
import { printJson, printNote, printPhase, printResult, table } from './output.ts'
import { announceDown, isOfThisFolder, type RunningSite, runningSites } from './runs.ts'

interface DownOptions {
  all?: boolean
  json?: boolean
}

export async function down(label: string | undefined, { all, json }: DownOptions, command: Command): Promise<void> {
  if (label !== undefined && all) {
    command.error('error: give the label of a run or --all, not both', { exitCode: exitCode.usage })
  }
  const running = await runningSites()
  const chosen = running.filter((site) => (label === undefined ? isOfThisFolder(site) : site.run === label))
  if (label !== undefined && chosen.length === 0) throw notRunning(label, running)
  if (chosen.length > 1 && !all) {
    process.exitCode = exitCode.usage
    if (json) return printJson({ ended: [], running })
    printNote('Several are running; name one, or give --all:')
    return printResult(runsTable(chosen))
  }
  for (const run of chosen) await end(run)
  if (json) return printJson({ ended: chosen.map(({ run }) => run) })
  if (chosen.length > 0) return printResult(chosen.map(({ run }) => `ended ${run}`).join('\n'))
  printResult('nothing is running from this folder')
  if (running.length === 0) return
  printNote(`Elsewhere, to be ended by their label, npx holdfast down ${running[0]!.run} say:`)
  printNote(runsTable(running))
}

function notRunning(label: string, running: readonly RunningSite[]): HoldfastError {
  const there = running.length > 0 ? `running: ${running.map(({ run }) => run).join(', ')}` : 'nothing is running'
  const wayOut = 'What a crash left is removed by npx holdfast sweep'
  return new HoldfastError('HOLDFAST_NOT_RUNNING', `no run is called "${label}"; ${there}. ${wayOut}`)
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

const noticeMs = 3_000

function isListed(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Asks the process that stood the site up to release it. */
async function end(run: RunningSite): Promise<void> {
  await announceDown(run)
  process.kill(run.pid, 'SIGTERM')
  const patience = AbortSignal.timeout(limitMs)
  // A process that got its number later is another one.
  while ((await startTime(run.pid)) === run.startTime) {
    if (patience.aborted) {
      const who = `${run.run} (process ${run.pid}) did not end within ${limitMs / 1000} s`
      throw new HoldfastError('HOLDFAST_WILL_NOT_END', `${who}; end that process, then type npx holdfast sweep`)
    }
    await setTimeout(20)
  }
  // Whoever looks for it by its number finds it until init has taken note of its end, which may never come in a container.
  const notice = AbortSignal.timeout(noticeMs)
  while (!notice.aborted && isListed(run.pid)) await setTimeout(20)
  printPhase('done', 'released', `${run.run}  ${run.topology}`)
}
