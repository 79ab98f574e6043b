import { nodeArguments } from './command.ts'
import type { NodeContext } from './node-context.ts'
import { type ProcessTree, signalTree, startTree } from './process-tree.ts'
import type { ExecResult } from './protocol.ts'

const LONGEST_OUTPUT = 8 * 1_048_576

export interface Execution {
  context: NodeContext
  /** The first is a path, a program on PATH, one of the run's tools, or `node`. */
  argv: string[]
  env: Record<string, string>
  input?: string
  timeoutMs: number
}

/** Runs a program in the node's folder and gathers its output, of which 8 MiB each are kept. */
export async function execute({ context, argv, env, input, timeoutMs }: Execution): Promise<ExecResult> {
  const [name = '', ...args] = argv
  const program = name === 'node' ? [process.execPath, ...nodeArguments()] : [context.settings.tools[name] ?? name]
  const tree = await startTree(context.settings.dieWithParent, [...program, ...args], {
    cwd: context.dir,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const limit = setTimeout(() => signalTree(tree.pid, 'SIGKILL'), timeoutMs)
  const output = { stdout: '', stderr: '' }
  converse(tree, output, input)
  const exit = await tree.ended
  clearTimeout(limit)
  return { ...exit, ...output }
}

/** Gives a program its input, and adds what it says to `output`. */
export function converse({ child }: ProcessTree, output: { stdout: string; stderr: string }, input = ''): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      if (output[stream].length < LONGEST_OUTPUT) output[stream] += chunk
    })
  }
  // A program that ends without reading its input is no failure.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
}
