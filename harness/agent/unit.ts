import { readFile } from 'node:fs/promises'
import { HoldfastError } from '../errors.ts'
import type { Command, PlanUnit, UnitRef } from '../topology/plan.ts'
import { startProgram, type UnitAtWork } from './execute.ts'
import { type Label, processesOf, signalProcess } from './labelled.ts'
import { contextOf, type NodeContext } from './node-context.ts'
import { probeUntilReady } from './probe.ts'
import { howEnded, type ProcessTree, signalTree, stopTree } from './process-tree.ts'
import type { ExecResult } from './protocol.ts'
import { isCalled, startTurn } from './start-turn.ts'
import { renderFile, runSteps, StepFailed } from './steps.ts'
import { fill } from './template.ts'
import { makeFolder } from './unit-files.ts'
import { addressTaken, listensElsewhere } from './why-not-ready.ts'

/** Of a log file of its own: as many lines as are kept of what it prints. */
const linesTold = 20

/** One unit of this node, from its files to the end of its program. */
export class Unit {
  readonly plan: PlanUnit
  readonly #work: UnitAtWork
  readonly ref: UnitRef
  #tree: ProcessTree | undefined
  #isPaused = false
  readonly #end = new AbortController()
  /** The last run that was asked for. */
  #asked: Promise<unknown> = Promise.resolve()

  constructor(context: NodeContext, plan: PlanUnit) {
    this.plan = plan
    this.#work = { ...contextOf(context, plan), log: [], signal: this.#end.signal }
    this.ref = this.#work.ref
  }

  /** First start: files, steps, then the service. Emits `unit-ready` or `unit-failed`. */
  async run(): Promise<void> {
    await this.#told(async () => {
      await this.#prepare()
      if (this.plan.service !== undefined) await this.#startService()
    })
  }

  async #prepare(asked?: UnitAtWork['asked']): Promise<void> {
    const { name, files, steps, service } = this.plan
    const work = { ...this.#work, asked }
    await makeFolder(work, work.unitDir)
    await Promise.all(files.map((file) => renderFile(work, file)))
    if (service === undefined) work.emit({ event: 'unit-started', unit: name })
    await runSteps(work, steps)
  }

  /** A oneshot on demand, after the runs that were asked for before. A program that does not end well is an answer, too. */
  runAsked(input?: string): Promise<ExecResult> {
    if (this.plan.start !== 'on demand') throw this.wrongState('is not run on demand; its node started it')
    const run = this.#asked.then(async () => {
      const output = { stdout: '', stderr: '' }
      const exit = await this.#prepare({ input, output }).then(
        () => ({ code: 0, signal: null }),
        (cause: unknown) => {
          if (cause instanceof StepFailed && cause.exit !== undefined) return cause.exit
          this.#failed(cause)
          throw cause
        },
      )
      this.#work.emit({ event: 'unit-exited', unit: this.plan.name, ...exit })
      return { ...exit, ...output }
    })
    this.#asked = run.catch(() => {})
    return run
  }

  /** Starts the service again; its files and what its steps made are still there. */
  async start(): Promise<void> {
    if (this.#tree?.running()) throw this.wrongState('is running already')
    await this.#told(() => this.#startService())
  }

  async #told(start: () => Promise<void>): Promise<void> {
    const started = performance.now()
    try {
      await start()
    } catch (cause) {
      this.#failed(cause)
      throw cause
    }
    const ms = Math.round((performance.now() - started) * 10) / 10
    this.#work.emit({ event: 'unit-ready', unit: this.plan.name, ms })
  }

  #failed(cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause)
    this.#work.emit({ event: 'unit-failed', unit: this.plan.name, message, logTail: [...this.#work.log] })
  }

  async #startService(): Promise<void> {
    const { service } = this.plan
    if (service === undefined) throw this.wrongState('is a oneshot: there is no service to start')
    this.#end.signal.throwIfAborted()
    if (service.command === undefined) return this.#untilReady()
    const done = await startTurn(isCalled(this.#work))
    try {
      this.#end.signal.throwIfAborted()
      // Whoever answers waits for others, and takes no processor time from them.
      await this.#untilReady(await this.#startProgram(service.command), done)
    } finally {
      done()
    }
  }

  async #startProgram(command: Command): Promise<ProcessTree> {
    const { emit } = this.#work
    const labelled = { ...command, env: { ...command.env, HOLDFAST_UNIT: this.ref } }
    const refused = (why: string, cause: ErrorOptions) => this.#notReady(why, cause)
    const { tree } = await startProgram(this.#work, labelled, refused, { label: this.#label })
    this.#tree = tree
    emit({ event: 'unit-started', unit: this.plan.name, pid: tree.pid })
    void tree.ended.then((exit) => emit({ event: 'unit-exited', unit: this.plan.name, ...exit }))
    return tree
  }

  /** Without a program of ours only the probe counts. */
  async #untilReady(tree?: ProcessTree, onAnswer?: () => void): Promise<void> {
    const { ready, readyWithinMs: wantedMs = 45_000 } = this.plan.service!
    const readyWithinMs = wantedMs * (this.#work.settings.slowness ?? 1)
    const probing = new AbortController()
    const limit = setTimeout(() => probing.abort(), readyWithinMs)
    const ended = tree?.ended.then(async (exit) => {
      this.#work.log.push(...(await this.#writtenLog()))
      const taken = addressTaken(this.#work.log)
      throw this.#notReady(`its program ${howEnded(exit)} before it answered its probe${taken}`)
    })
    const probed = probeUntilReady(ready, this.#work, { signal: probing.signal, onAnswer }).catch(
      async (cause: Error) => {
        const isRefused = tree !== undefined && cause.message.includes('ECONNREFUSED')
        const where = isRefused ? await listensElsewhere(this.#label) : this.#elsewhere()
        const said = `within ${readyWithinMs} ms its probe last said: ${cause.message}${where}`
        throw this.#notReady(said, { cause })
      },
    )
    try {
      await Promise.race(ended === undefined ? [probed] : [probed, ended])
    } finally {
      clearTimeout(limit)
      probing.abort()
    }
  }

  /** The end of what it wrote to a file instead of printing it. */
  async #writtenLog(): Promise<string[]> {
    const { logFile } = this.plan.service!
    if (logFile === undefined) return []
    const path = fill(logFile, this.#work, `${this.ref}: log file`)
    const text = await readFile(path, 'utf8').catch(() => '')
    return text.trimEnd().split('\n').slice(-linesTold)
  }

  /** Of a program that is up by itself, what else may be wrong: who should have started it is not seen here. */
  #elsewhere(): string {
    if (this.plan.service?.command !== undefined) return ''
    const [setting] = this.plan.steps.flatMap((step) => ('run' in step ? (step.setting ?? []) : []))
    if (setting === undefined) return '; it is started by nobody here, and must notice its new files by itself'
    return `; it is started by nobody here, and is told by ${setting} to read its new files; what ${setting} starts is ended with it: let the service read them itself (SIGHUP), or a service manager restart it`
  }

  async stop(): Promise<void> {
    const tree = this.#live()
    if (tree !== undefined) await this.#stopTree(tree, this.plan.service?.stopWithinMs ?? 5_000)
  }

  async #stopTree(tree: ProcessTree, withinMs: number): Promise<void> {
    const stopping = stopTree(tree, withinMs, this.plan.service?.stopSignal)
    // What left its process group, too: the program may wait for it.
    if (this.#isPaused) await this.resume()
    await stopping
  }

  async kill(): Promise<void> {
    const tree = this.#live()
    if (tree === undefined) return
    signalTree(tree.pid, 'SIGKILL')
    await tree.ended
  }

  pause(): Promise<void> {
    this.#isPaused = true
    return this.#signalAll('SIGSTOP')
  }

  resume(): Promise<void> {
    this.#isPaused = false
    return this.#signalAll('SIGCONT')
  }

  /** What left its process group, too. */
  async #signalAll(signal: NodeJS.Signals): Promise<void> {
    signalTree(this.#running().pid, signal)
    for (const pid of await processesOf(this.#label)) signalProcess(pid, signal)
  }

  get #label(): Label {
    return { run: this.#work.settings.run, unit: this.ref }
  }

  signal(signal: NodeJS.Signals): void {
    this.#running().child.kill(signal)
  }

  /** For the end of the agent: no step goes on, and the program has `withinMs` to stop. */
  async end(withinMs: number): Promise<void> {
    this.#end.abort()
    if (this.#tree?.running()) await this.#stopTree(this.#tree, withinMs)
  }

  #notReady(what: string, options?: ErrorOptions): HoldfastError {
    return new HoldfastError('HOLDFAST_NOT_READY', `${this.ref} was not ready: ${what}`, options)
  }

  /** An operation does not fit. */
  wrongState(what: string): HoldfastError {
    return new HoldfastError('HOLDFAST_UNIT_STATE', `${this.ref} ${what}`)
  }

  #live(): ProcessTree | undefined {
    if (this.plan.service === undefined) throw this.wrongState('is a oneshot: it has no running program')
    if (this.plan.service.command === undefined) {
      throw this.wrongState('was up before this run: it is not ours to end')
    }
    return this.#tree?.running() ? this.#tree : undefined
  }

  #running(): ProcessTree {
    const tree = this.#live()
    if (tree === undefined) throw this.wrongState('is not running; start it first')
    return tree
  }
}
