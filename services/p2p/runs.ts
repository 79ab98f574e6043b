import type { Shown } from '../shared/client-commands.ts'
import { inColumns, plainText, textTable } from '../shared/text-table.ts'
import { CallFailed } from './call.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Cluster } from './open-cluster.ts'
import { newKey, ordered } from './order.ts'
import type { RunOptions, WaitOptions } from './pipeline-commands.ts'
import { type Waiting, waitForEnd } from './wait.ts'
import { type Accepted, accepted, output, pipelines, type Run, run, runList, runState } from './wire.ts'

const RUNS = '/v1/pipeline/runs'
const LARGEST_PAGE = 200

export async function startRun(cluster: Cluster, pipeline: string, options: RunOptions): Promise<Shown> {
  const { param = {}, wait, waitS } = options
  const key = options.idempotencyKey ?? newKey()
  const asked = ordered('/v1/pipeline/run', { pipeline, params: param }, key)
  const { node, repeats, note } = cluster
  const begun = await node.askAgain(asked, accepted, repeats).catch((failure) => {
    throw withKey(failure, key)
  })
  note(`run ${begun.runId} is ${begun.state}: leader ${plainText(begun.leader)}, epoch ${begun.epoch}`)
  if (wait) return ended(cluster, begun.runId, waitS)
  return { json: begun, text: acceptedText(begun) }
}

export async function showRun(cluster: Cluster, id: string, { wait, waitS }: WaitOptions): Promise<Shown> {
  if (wait) return ended(cluster, id, waitS)
  const found = await cluster.node.askAgain({ path: pathOf(id) }, run, cluster.repeats)
  return { json: found, text: runText(found) }
}

export async function showOutput({ node, repeats }: Cluster, id: string): Promise<Shown> {
  const found = await node.askAgain({ path: `${pathOf(id)}/output` }, output, repeats)
  const { pipeline, state, params, outputs } = found
  const facts = inColumns([
    ['run', id],
    ['pipeline', pipeline],
    ['state', state],
    ['parameters', JSON.stringify(params)],
  ])
  const texts = Object.entries(outputs).map(
    ([stage, value]) => `${plainText(stage)}\n${JSON.stringify(value, null, 2)}`,
  )
  return { json: found, text: [facts, ...texts].join('\n\n') }
}

export async function cancelRun({ node, repeats }: Cluster, id: string): Promise<Shown> {
  const found = await node.askAgain(ordered(`${pathOf(id)}/cancel`, {}), runState, repeats)
  return {
    json: found,
    text: inColumns([
      ['run', found.runId],
      ['state', found.state],
    ]),
  }
}

export async function listRuns({ node, repeats }: Cluster, limit: number): Promise<Shown> {
  const found: Run[] = []
  for (let cursor: string | null | undefined; cursor !== null && found.length < limit; ) {
    const query = new URLSearchParams({ limit: String(Math.min(limit - found.length, LARGEST_PAGE)) })
    if (cursor !== undefined) query.set('cursor', cursor)
    const page = await node.askAgain({ path: `${RUNS}?${query}` }, runList, repeats)
    found.push(...page.runs)
    cursor = page.cursor
  }
  const rows = found.map(({ runId, pipeline, state, createdAt, endedAt = '-' }) => [
    ...[runId, pipeline, state, createdAt, endedAt],
  ])
  return { json: found, text: textTable(['run', 'pipeline', 'state', 'created', 'ended'], rows) }
}

export async function describePipelines({ node, repeats }: Cluster): Promise<Shown> {
  const { pipelines: found } = await node.askAgain({ path: '/v1/pipelines' }, pipelines, repeats)
  const texts = found.map(({ name, params }) => `${plainText(name)}\n${JSON.stringify(params, null, 2)}`)
  return { json: found, text: texts.length === 0 ? 'this cluster has no pipeline' : texts.join('\n\n') }
}

async function ended({ node, repeats, note }: Cluster, id: string, waitS: number): Promise<Shown> {
  const waiting: Waiting = {
    ask: () => node.askAgain({ path: pathOf(id) }, run, repeats),
    withinMs: waitS * 1_000,
    tell: ({ state, stages }) => note(`run ${id} is ${state}${stages.length > 0 ? `: ${stagesText(stages)}` : ''}`),
  }
  const found = await waitForEnd(waiting)
  return { json: found, text: runText(found), exitCode: found.state === 'succeeded' ? EXIT.done : EXIT.runFailed }
}

function stagesText(stages: Run['stages']): string {
  return plainText(stages.map(({ name, state }) => `${name} ${state}`).join(', '))
}

/** What became of an order is known only where its answer came; whoever repeats it by its key starts no second run. */
function withKey(failure: unknown, key: string): unknown {
  const mayHaveBegun = failure instanceof CallFailed ? failure.isOpen : isPassing(failure)
  if (!mayHaveBegun) return failure
  const { code, message, exitCode } = failure as CommandFailed
  const hint = `the run may have begun all the same: repeat it, here or at another node, by --idempotency-key ${key}`
  return new CommandFailed(code, `${message}; ${hint}`, exitCode)
}

function isPassing(failure: unknown): boolean {
  return failure instanceof CommandFailed && failure.exitCode === EXIT.unreachable && !(failure instanceof CallFailed)
}

/** Ids of runs have no other letters; what has is not sent, lest it become another path. */
function pathOf(id: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id)) return `${RUNS}/${id}`
  throw new CommandFailed('run_invalid', `${plainText(id)} is no id of a run; see p2p pipeline list`, EXIT.usage)
}

function acceptedText({ runId, state, leader, epoch }: Accepted): string {
  const facts = [
    ['run', runId],
    ['state', state],
    ['leader', leader],
    ['epoch', String(epoch)],
  ]
  return `${inColumns(facts)}\n\nfollow it: p2p pipeline status ${plainText(runId)} --wait`
}

function runText({ runId, pipeline, state, reason, createdAt, startedAt, endedAt, stages }: Run): string {
  const facts = [
    ['run', runId],
    ['pipeline', pipeline],
    ['state', reason === undefined ? state : `${state} (${reason})`],
    ['created', createdAt],
    ...(startedAt === undefined ? [] : [['started', startedAt]]),
    ...(endedAt === undefined ? [] : [['ended', endedAt]]),
  ]
  const rows = stages.map((stage) => [
    ...[
      stage.name,
      stage.state,
      String(stage.attempt),
      stage.node ?? '-',
      stage.startedAt ?? '-',
      stage.endedAt ?? '-',
    ],
    stage.reason ?? '',
  ])
  const header = ['stage', 'state', 'attempt', 'node', 'started', 'ended', '']
  return [inColumns(facts), ...(rows.length === 0 ? [] : [textTable(header, rows)])].join('\n\n')
}
