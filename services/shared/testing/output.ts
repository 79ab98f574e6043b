import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'

/** A program that has ended. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Output {
  readonly ended: Promise<Ran>
  /** What it has printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
}

/** What a program prints, from its start to its end. */
export function outputOf(child: ChildProcessByStdio<Writable | null, Readable, Readable>): Output {
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))
  return { ended, stdout: () => stdout, stderr: () => stderr }
}
