import type { Duplex } from 'node:stream'
import { howEnded, signalTree, startTree } from '../../agent/process-tree.ts'
import { firstLine } from '../../agent/seat-server.ts'
import { Multiplexer } from './multiplexer.ts'

// How a program of a machine is run from outside, with its three streams: over one stream, on which both ends have a multiplexer.
// The host opens `run`, says in one line what, and goes on with the standard input; the machine opens `out` and `err`, and `end` last.

/** The line that begins `run`. */
export interface Entry {
  readonly argv: readonly string[]
}

/** What `end` says, as JSON. */
export interface Ended {
  /** What the shell of whoever entered is to be told. */
  readonly code: number
  /** Why nothing was started. */
  readonly failure?: string
}

/** As shells say that there is no such program, and that one was ended by a signal. */
const NOT_THERE = 127
const KILLED = 137

/** Runs what one who enters says. When he is gone, so is the program, with all that it started. */
export function serveEntry(stream: Duplex, cwd: string): void {
  const line = new Multiplexer('guest', stream, stream, (name, run) => {
    if (name !== 'run') return void run.destroy()
    const end = (ended: Ended) => line.open('end').end(JSON.stringify(ended))
    start(run).catch(({ message }: Error) => end({ code: NOT_THERE, failure: message }))
    async function start(input: Duplex): Promise<void> {
      const { argv } = (await firstLine(input)) as Entry
      const tree = await startTree([], argv, { cwd, stdio: ['pipe', 'pipe', 'pipe'] })
      const { stdin, stdout, stderr } = tree.child
      const gone = () => signalTree(tree.pid, 'SIGKILL')
      // Nobody ends a half of this one: to end the input is said within it.
      for (const event of ['end', 'close']) stream.once(event, gone)
      // What is written to a program that does not read is lost, as in a pipe.
      stdin!.on('error', () => {})
      input.pipe(stdin!)
      const [out, err] = [line.open('out'), line.open('err')]
      stdout!.pipe(out)
      stderr!.pipe(err)
      const { code, signal } = await tree.ended
      for (const event of ['end', 'close']) stream.off(event, gone)
      for (const said of [out, err]) said.end()
      end({ code: code ?? KILLED, ...(signal !== null && { failure: `${argv[0]} ${howEnded({ code, signal })}` }) })
    }
  })
}
