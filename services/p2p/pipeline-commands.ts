import { type Command, InvalidArgumentError } from 'commander'
import { addParameter } from './parameters.ts'
import { addCommand, type Run } from './run.ts'

const LEADER = '--p2p-leader https://leader:8770'
const ID = 'run-4f1c'
/** What takes longer than a day is looked after otherwise. */
const LONGEST_WAIT_S = 86_400

/** Commands about runs. What they do is loaded once one is named. */
export function addPipelineCommands(root: Command, run: Run): void {
  const pipeline = root
    .command('pipeline')
    .description('runs of pipelines, which the leader of the cluster looks after')
  const command = (name: string, description: string, ...examples: string[]) =>
    addCommand(pipeline, name, description, ...examples.map((example) => `pipeline ${LEADER} ${example}`))
  const { runs } = { runs: () => import('./runs.ts') }

  command('run', 'start a run', 'run canonical_selfplay --param games=20 --wait')
    .argument('<pipeline>', 'name of a pipeline of the cluster; describe tells which there are')
    .option('--param <name=value>', 'a parameter; JSON is what it says, all else is text', addParameter)
    .option('--idempotency-key <key>', 'by which the cluster knows a repeat; for one of which the answer was lost', key)
    .option('--wait', 'wait until the run has ended, and end with 1 where it failed')
    .option('--wait-s <seconds>', 'the longest that --wait waits', seconds, 3_600)
    .action((name: string, options: RunOptions, self: Command) =>
      run(self, async (cluster) => (await runs()).startRun(cluster, name, options)),
    )
  command('status', 'show how far a run is', `status ${ID}`)
    .argument('<run>', 'id of a run')
    .option('--wait', 'wait until it has ended, and end with 1 where it failed')
    .option('--wait-s <seconds>', 'the longest that --wait waits', seconds, 3_600)
    .action((id: string, options: WaitOptions, self: Command) =>
      run(self, async (cluster) => (await runs()).showRun(cluster, id, options)),
    )
  command('output', 'show what a run was given, and what came of its stages', `output ${ID}`)
    .argument('<run>', 'id of a run')
    .action((id: string, _, self: Command) => run(self, async (cluster) => (await runs()).showOutput(cluster, id)))
  command('cancel', 'end a run; its programs end within seconds', `cancel ${ID}`)
    .argument('<run>', 'id of a run')
    .action((id: string, _, self: Command) => run(self, async (cluster) => (await runs()).cancelRun(cluster, id)))
  command('list', 'list runs, the newest first', 'list')
    .option('--limit <number>', 'so many at most', wholeNumber(1, 10_000), 200)
    .action(({ limit }: { limit: number }, self: Command) =>
      run(self, async (cluster) => (await runs()).listRuns(cluster, limit)),
    )
  command('describe', 'list the pipelines of the cluster and their parameters', 'describe').action((_, self: Command) =>
    run(self, async (cluster) => (await runs()).describePipelines(cluster)),
  )
}

export interface WaitOptions {
  readonly wait?: true
  readonly waitS: number
}

export interface RunOptions extends WaitOptions {
  readonly param?: Readonly<Record<string, unknown>>
  readonly idempotencyKey?: string
}

function key(text: string): string {
  if (/^[A-Za-z0-9_-]{16,64}$/.test(text)) return text
  throw new InvalidArgumentError('must be 16 to 64 of A-Z a-z 0-9 _ -')
}

const seconds = wholeNumber(1, LONGEST_WAIT_S)

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d{1,6}$/.test(text) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`must be a whole number from ${least} to ${most}`)
  }
}
