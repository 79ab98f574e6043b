import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bareEnvironment } from '../../shared/testing/environment.ts'
import { freePort, until } from '../../shared/testing/service-process.ts'
import type { BearerDecision } from '../listener/records.ts'

/** How a node is started. */
export interface NodeStart {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Members of the configuration, beside what every one has. */
  readonly configuration?: Readonly<Record<string, unknown>>
  /** User and group of the process, and of its files. */
  readonly as?: number
}

/** A real process of a node. */
export interface TestNode extends AsyncDisposable {
  readonly process: ChildProcess
  readonly port: number
  readonly folder: string
  /** To be changed before a signal. */
  readonly dataDir: string
  stderr(): string
  /** Messages of the log, without what surrounds them. */
  told(): string
  decisions(): BearerDecision[]
  readonly exited: Promise<number | null>
}

const NAMES = new URL('../../shared/testing/loopback-names.ts', import.meta.url).href
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const WITHIN_MS = 10_000
/** Starting is all processor: on a busy machine it takes its time. */
const START_WITHIN_MS = 40_000

let made = 0

/** Starts a node in a folder of its own below `root`, and does not wait. */
export async function spawnNode(root: string, given: NodeStart = {}): Promise<TestNode> {
  const { args = [], env = {}, configuration = {}, as } = given
  made += 1
  const folder = join(root, `node-${made}`)
  const dataDir = join(folder, 'data')
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const port = await freePort()
  const file = join(folder, 'config.json')
  const common = { clusterId: 'cluster', nodeId: 'orc-1', dataDir, listen: [{ address: '127.0.0.1', port }] }
  writeFileSync(file, JSON.stringify({ ...common, ...configuration }), { mode: 0o600 })
  if (as !== undefined) for (const path of [folder, dataDir, file]) chownSync(path, as, as)
  const child = spawn(process.execPath, ['--import', NAMES, MAIN, '--config', file, 'serve', ...args], {
    ...{ env: { ...bareEnvironment, ...env }, stdio: ['ignore', 'pipe', 'pipe'], cwd: folder, uid: as, gid: as },
  })
  let stderr = ''
  child.stdout!.resume()
  child.stderr!.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return {
    ...{ process: child, port, folder, dataDir, exited, stderr: () => stderr },
    told: () => messagesIn(stderr).join('\n'),
    decisions: () => linesOf(join(dataDir, 'decisions.jsonl')),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), WITHIN_MS)
      await exited
      clearTimeout(timer)
    },
  }
}

/** The same, and waits until it serves. */
export async function startNode(root: string, given: NodeStart = {}): Promise<TestNode> {
  const node = await spawnNode(root, given)
  const ended = node.exited.then((code) => {
    throw new Error(`the node ended with ${code}: ${node.stderr()}`)
  })
  await Promise.race([until(() => node.stderr().includes('"started"'), 'the start', START_WITHIN_MS), ended])
  return node
}

/** Whether anybody listens at a port of loopback. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

function messagesIn(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => String((JSON.parse(line) as { message?: string }).message ?? ''))
}

function linesOf(file: string): BearerDecision[] {
  const text = readFileSync(file, 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as BearerDecision)
}
