import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { signalTree } from '../../agent/process-tree.ts'
import { readTextFrom } from '../../agent/text-file.ts'
import { clockMissing } from '../../toolchain/libfaketime.ts'
import type { Plan } from '../../topology/plan.ts'
import type { AgentProcess } from '../agent-link.ts'
import type { Capabilities } from '../backend.ts'
import { type AgentStart, backendOf, type Grounds } from '../launch.ts'
import { killProcessesOf } from '../processes.ts'
import { findRuns, type Run } from '../run-folder.ts'
import { addressesIn, loopbackMissing, takeSubnet } from './subnet.ts'

const capabilities: Capabilities = {
  ownAddress: true,
  pause: true,
  get ownClock() {
    return clockMissing() === undefined
  },
}

// Sources in the repository, compiled files in the package.
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const agentMain = fileURLToPath(new URL(`../../agent/main.${suffix}`, import.meta.url))

/** Nodes are process trees on this machine, each with a loopback address of its own. Needs no privileges. */
export const processBackend = backendOf({
  name: 'process',
  capabilities,
  unavailable: () => loopbackMissing(),
  whyLacking: (capability) => (capability === 'ownClock' ? clockMissing() : undefined),
  take,
  sweep: ({ run }) => killProcessesOf(run),
  readLeft: (_, path, from) => readTextFrom(path, from),
})

async function take({ nodes }: Plan, { folder }: Run): Promise<Grounds> {
  const names = Object.keys(nodes)
  const subnet = await takeSubnet(await takenSubnets())
  return {
    addresses: addressesIn(subnet.prefix, names),
    dirs: Object.fromEntries(names.map((node) => [node, join(folder, 'nodes', node)])),
    recorded: { subnet: subnet.prefix },
    sharesAgents: true,
    startAgents: (agents, start) => startAgents(folder, agents, start),
    [Symbol.asyncDispose]: () => subnet.release(),
  }
}

/** Subnets of runs that are not swept yet: their programs may still listen there. */
async function takenSubnets(): Promise<Set<string>> {
  return new Set((await findRuns()).flatMap(({ record }) => record?.subnet ?? []))
}

function startAgents(folder: string, nodes: readonly string[], { plan, settings, env }: AgentStart): AgentProcess {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', agentMain, 'run', '--plan', plan, '--settings', settings, ...nodes],
    { detached: true, cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] },
  )
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
