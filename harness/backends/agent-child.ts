import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { signalTree } from '../agent/process-tree.ts'
import { programEnvironment, settings } from '../settings.ts'
import type { AgentProcess } from './agent-link.ts'

// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** Program and arguments by which this Node runs a program of the folder of agents, without the ending of its name. */
export function agentProgram(name: 'main' | 'seat-main'): string[] {
  const source = fileURLToPath(new URL(`../agent/${name}.${suffix}`, import.meta.url))
  const path = name === 'main' ? settings().agent : undefined
  return [process.execPath, '--disable-warning=ExperimentalWarning', path ?? source]
}

/** Environment of the agents of a run, from which its programs start, too. */
export function agentEnvironment(run: string): Record<string, string> {
  return programEnvironment({ HOLDFAST_RUN: run, NODE_COMPILE_CACHE: settings().compileCache })
}

/** Starts the agents of nodes as a child of this process, in the folder of their run. `before`: what leads to where they live. */
export function startAgentChild(
  folder: string,
  nodes: readonly string[],
  env: NodeJS.ProcessEnv,
  before: readonly string[] = [],
): AgentProcess {
  const files = ['--plan', join(folder, 'plan.json'), '--settings', join(folder, 'settings.json')]
  const [program = '', ...argv] = [...before, ...agentProgram('main'), 'run', ...files, ...nodes]
  const child = spawn(program, argv, { detached: true, cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolveEnd) => {
    child.once('error', () => resolveEnd({ code: null, signal: null }))
    child.once('close', (code, signal) => resolveEnd({ code, signal }))
  })
  return {
    input: child.stdin,
    output: child.stdout,
    errors: child.stderr,
    ended,
    kill: () => void child.kill('SIGKILL'),
    killUnits: (pids) => {
      for (const pid of pids) signalTree(pid, 'SIGKILL')
    },
  }
}
