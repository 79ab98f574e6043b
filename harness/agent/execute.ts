import type { Command } from '../topology/plan.ts'
import { commandOf, environmentOf, nodeCommandOn, serviceCommandOn } from './command.ts'
import type { NodeContext, UnitContext } from './node-context.ts'
import { forEachLine, type ProcessTree, startTree, type TreeOptions } from './process-tree.ts'
import type { ExecResult, Operations } from './protocol.ts'
import { sparing } from './sparing.ts'
import { wrapperOf } from './unit-files.ts'

const LONGEST_OUTPUT = 8 * 1_048_576
const LINES_KEPT = 20

type Output = Pick<ExecResult, 'stdout' | 'stderr'>

/** A unit while its programs run. */
export interface UnitAtWork extends UnitContext {
  /** The last lines that they wrote, for the report of a failure. */
  readonly log: string[]
  /** Aborted at the end of the agent. */
  readonly signal: AbortSignal
  /** Where somebody asked for it: what its programs are given, and where all that they say goes. */
  readonly asked?: { input?: string; output: Output }
}

/**
 * Runs a program in the node's folder and gathers its output, of which 8 MiB each are kept. The first of `argv` is a path, a program
 * on PATH, one of the run's tools, `node`, or, as `service:NAME`, one of the services.
 */
export async function execute(
  context: NodeContext,
  { argv, env, input, timeoutMs }: Operations['exec']['request'],
): Promise<ExecResult> {
  const { settings, node } = context
  const [name = '', ...args] = argv
  const tree = await startTree(settings.dieWithParent, [...programOf(context, name), ...args], {
    cwd: context.dir,
    env: { ...environmentOf(context), ...(isService(name) && settings.extra[`${node.name}/${name}`]), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const output = { stdout: '', stderr: '' }
  converse(tree, output, input)
  return { ...(await tree.ended), ...output }
}

function programOf({ settings }: NodeContext, name: string): readonly string[] {
  if (isService(name)) return serviceCommandOn(settings, name.slice('service:'.length))
  return name === 'node' ? nodeCommandOn(settings) : [settings.tools[name] ?? name]
}

function isService(name: string): boolean {
  return /^service:[a-z][a-z-]*$/.test(name)
}

/** Starts a program of a unit. `refused` says what it means that it cannot be executed. */
export async function startProgram(
  work: UnitAtWork,
  command: Command,
  refused: (why: string, options: ErrorOptions) => Error,
  options: TreeOptions = {},
): Promise<{ tree: ProcessTree; program: string }> {
  const { argv, ...where } = await commandOf(work, command)
  const [program = ''] = argv
  const stdin = work.asked === undefined ? 'ignore' : 'pipe'
  const all: TreeOptions = { ...where, ...options, stdio: [stdin, 'pipe', 'pipe'] }
  const tree = await startTree(await wrapperOf(work), argv, all).catch((cause: Error) => {
    throw refused(`${program} cannot be executed (${cause.message}); name a program that is there`, { cause })
  })
  work.ahead.programSpawned()
  follow(tree, work)
  if (work.asked !== undefined) converse(tree, work.asked.output, work.asked.input)
  return { tree, program }
}

/** Each line goes to the coordinator. */
function follow({ child }: ProcessTree, { log, unit, emit }: UnitAtWork): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    const told = sparing((line) => emit({ event: 'log', unit: unit.name, stream, line }))
    forEachLine(child[stream], (line) => {
      log.push(line)
      if (log.length > LINES_KEPT) log.shift()
      told.line(line)
    })
    child[stream]?.once('close', told.end)
  }
}

/** Gives a program its input, and adds what it says to `output`. */
function converse({ child }: ProcessTree, output: Output, input = ''): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      if (output[stream].length < LONGEST_OUTPUT) output[stream] += chunk
    })
  }
  // A program that ends without reading its input is no failure.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
}
