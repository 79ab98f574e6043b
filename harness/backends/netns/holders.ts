import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { HoldfastError } from '../../errors.ts'

/**
 * The processes in which the namespaces of a run are, by their folders in /proc, each held open. Such a folder is of that one process: when
 * it has ended there is nothing in it, whoever has its number then. So nobody is led into the namespaces of a stranger.
 */
export class Holders implements Disposable {
  readonly #folders = new Map<string, number>()
  /** Of this process, as /proc has it. */
  readonly #self = readlinkSync('/proc/self')

  /** `pids`: by a name for each. @throws HoldfastError for one that is not of the run */
  constructor(run: string, pids: Iterable<readonly [name: string, pid: number]>) {
    try {
      for (const [name, pid] of pids) this.#hold(run, name, pid)
    } catch (cause) {
      this[Symbol.dispose]()
      throw cause
    }
  }

  /** Where it is for whomever this process starts, and for shells beside it, as long as this process holds it. */
  at(name: string): string {
    return `/proc/${this.#self}/fd/${this.#folders.get(name)}`
  }

  #hold(run: string, name: string, pid: number): void {
    const folder = openOf(pid)
    if (folder !== undefined) this.#folders.set(name, folder)
    // The number was told by whoever had it then.
    if (folder !== undefined && isOf(run, this.at(name))) return
    throw new HoldfastError(
      'HOLDFAST_NETNS_FAILED',
      `process ${pid}, which held namespaces of ${run}, ended at once; run it again, and see whether something here ends processes (the kernel's log tells: dmesg)`,
    )
  }

  [Symbol.dispose](): void {
    for (const folder of this.#folders.values()) closeSync(folder)
    this.#folders.clear()
  }
}

function openOf(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}`, 'r')
  } catch {
    return undefined
  }
}

function isOf(run: string, folder: string): boolean {
  try {
    return `\0${readFileSync(`${folder}/environ`, 'utf8')}`.includes(`\0HOLDFAST_RUN=${run}\0`)
  } catch {
    return false
  }
}
