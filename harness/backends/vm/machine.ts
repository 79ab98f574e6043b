import { type ChildProcess, spawn } from 'node:child_process'
import { type Duplex, PassThrough, type Readable } from 'node:stream'
import { programEnvironment } from '../../settings.ts'
import type { AgentProcess } from '../agent-link.ts'
import { dieWithParent } from '../processes.ts'
import { type LineAnswers, MachineLine } from './machine-line.ts'
import { DESCRIPTORS, type MachineParts, qemuArguments } from './qemu.ts'
import { Monitor } from './qmp.ts'

const CONSOLE_KEPT = 8_192

/** A machine that runs: QEMU, its monitor, and its line. */
export class Machine {
  readonly monitor: Monitor
  readonly line: MachineLine
  /** The host's ends of its cards. */
  readonly cards: readonly Duplex[]
  readonly agent: AgentProcess
  readonly #child: ChildProcess

  /**
   * @param label what its process carries in its environment, by which it is found
   */
  constructor(qemu: string, parts: MachineParts, label: Readonly<Record<string, string>>, answers: LineAnswers) {
    const argv = [...dieWithParent(), qemu, ...qemuArguments(parts)]
    const stdio = [
      'ignore',
      'pipe',
      'pipe',
      ...Array(DESCRIPTORS.cards - 3 + parts.cards.length).fill('pipe'),
    ] as never[]
    this.#child = spawn(argv[0] as string, argv.slice(1), { stdio, cwd: '/', env: programEnvironment(label) })
    const stream = (descriptor: number) => this.#child.stdio[descriptor] as unknown as Duplex
    this.monitor = new Monitor(stream(DESCRIPTORS.qmp))
    this.line = new MachineLine(stream(DESCRIPTORS.line), answers)
    this.cards = parts.cards.map((_, index) => stream(DESCRIPTORS.cards + index))
    this.agent = this.#agentProcess(stream(DESCRIPTORS.errors))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** As if its power was cut: nothing in it learns of that. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #agentProcess(errors: Readable): AgentProcess {
    const child = this.#child
    const line = this.line.agent()
    const told = new PassThrough()
    errors.on('error', () => {})
    errors.pipe(told, { end: false })
    child.stderr!.pipe(told, { end: false })
    const lastSaid = lastOf(child.stdout!)
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.once('error', ({ message }) => told.write(`${message}\n`))
      child.once('error', () => resolve({ code: null, signal: null }))
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
    let heard = false
    line.once('readable', () => {
      heard = true
    })
    // What the console said matters only where the machine never got as far as its agent.
    const complete = ended.then(async (how) => {
      told.end(heard ? '' : lastSaid())
      return how
    })
    return {
      input: line,
      output: line,
      errors: told,
      ended: complete,
      kill: () => this.kill(),
      // All that ran in it ended with it.
      killUnits: () => {},
    }
  }
}

function lastOf(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    text = (text + chunk).slice(-CONSOLE_KEPT)
  })
  return () => text
}
